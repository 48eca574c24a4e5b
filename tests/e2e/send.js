// Sends one message with nodemailer, octets as they are: node send.js HOST PORT SENDER RECIPIENT FILE [JSON of options]
const fs = require('fs');
const nodemailer = require('nodemailer');

const [host, port, sender, recipient, file, options] = process.argv.slice(2);
const plain = { secure: false, ignoreTLS: true };
const transport = nodemailer.createTransport({ host, port: Number(port), ...(options ? JSON.parse(options) : plain) });
transport
  .sendMail({ envelope: { from: sender, to: [recipient] }, raw: fs.readFileSync(file) })
  .then((info) => console.log(info.response))
  .catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
