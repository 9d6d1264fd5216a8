"""Readers to compare with, each a script for the environment where it is installed.

A script says `{"name": "...", "version": "..."}` on stdout once it is ready, then takes paths of pictures on
stdin, a line each, and answers each with one line: `{"texts": ["ABC123", ...]}`, every text that it would
give its user. A peer's script needs nothing of ours: it runs in another environment.
"""
