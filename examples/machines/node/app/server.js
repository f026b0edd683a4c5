// Answer every request with a greeting and the path; end cleanly on SIGTERM.
const http = require("http");

const server = http.createServer((request, response) => {
  response.end(`hello from node: ${request.url}\n`);
});
server.listen(3000);
process.on("SIGTERM", () => {
  console.log("stopping");
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
