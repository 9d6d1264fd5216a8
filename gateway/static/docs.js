// Shows /openapi.json. A key entered here is kept for this visit only.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger",
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: true,
  syntaxHighlight: { activated: false },
});
