// Answer with the number of visits, which is kept in the state directory.
const fs = require("fs");
const file = `${process.env.STATE_DIRECTORY}/visits`;
require("http")
  .createServer((request, response) => {
    let visits = 0;
    try {
      visits = Number(fs.readFileSync(file));
    } catch {}
    if (request.method === "POST") fs.writeFileSync(file, String(++visits));
    response.end(`visits: ${visits}\n`);
  })
  .listen(process.env.PORT);
