"""OpenALPR's command `alpr`, its best guess for each plate. Its argument is the country: us, eu, br ..."""

import json
import subprocess
import sys

country = sys.argv[1] if len(sys.argv) > 1 else "us"
said = subprocess.run(["alpr", "--version"], capture_output=True, text=True, check=True).stdout.split()
print(json.dumps({"name": f"OpenALPR, {country}", "version": said[-1]}), flush=True)
command = ["alpr", "-j", "-n", "1", "-c", country]
for line in sys.stdin:
    answer = subprocess.run([*command, line.strip()], capture_output=True, text=True, check=False).stdout
    results = json.loads(answer)["results"] if answer.startswith("{") else []
    print(json.dumps({"texts": [result["plate"] for result in results]}), flush=True)
