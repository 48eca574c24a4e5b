// Sends one message with nodemailer, octets as they are: node send.js HOST PORT SENDER RECIPIENT FILE
const fs = require('fs');
const nodemailer = require('nodemailer');

const [host, port, sender, recipient, file] = process.argv.slice(2);
const transport = nodemailer.createTransport({ host, port: Number(port), secure: false, ignoreTLS: true });
transport
  .sendMail({ envelope: { from: sender, to: [recipient] }, raw: fs.readFileSync(file) })
  .then((info) => console.log(info.response))
  .catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
