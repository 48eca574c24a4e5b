"""Neighbours who say who the client is: XCLIENT to a Postfix behind, with and without a password; XFORWARD from a Postfix in
front."""

import re

import maildir
from postfix import recipe
from processes import text_of
from sasl import authenticate
from smtp_client import Client, letter, secured

LOGIN, PASSWORD = "anna@example.com", "Zwölf-Boxkämpfer,jagen=Viktor"
EVERYWHERE = "you@elsewhere.test"
QUICK = '[timeouts]\nauth_failure = "1ms"\n'
XCLIENT = 'xclient = true\n'


def test_xclient_names_the_real_client(new_gate, new_postfix):
    """What Postfix decides by, and writes down, is the client's address, not the gate's."""
    postfix = new_postfix(settings="smtpd_authorized_xclient_hosts = 127.0.0.1\nmynetworks = 127.0.0.9\n"
                          "smtpd_relay_restrictions = permit_mynetworks, reject\n")
    gate = new_gate(postfix.address, more=XCLIENT + QUICK).start()
    with Client(gate.address, source="127.0.0.9") as client:
        assert client.deliver(["you@example.com"], letter()).code == 250
    with Client(gate.address, source="127.0.0.8") as client:
        reply = client.envelope(["you@example.com"])[0]
        assert reply.code == 554 and "Access denied" in reply.text, reply
    [message] = postfix.wait_messages(1)
    assert maildir.fields(message, "Received")[0].startswith("from client.test (unknown [127.0.0.9])")
    assert re.search(r"smtpd\[\d+\]: \w+: client=unknown\[127\.0\.0\.9\]", postfix.log)
    assert re.search(r"NOQUEUE: reject: RCPT from unknown\[127\.0\.0\.8\]", postfix.log)


def test_xclient_and_auth(new_door, new_submission, trusting):
    postfix = new_submission({LOGIN: PASSWORD}, "smtpd_authorized_xclient_hosts = 127.0.0.1\n")
    gate = new_door(postfix.address, more=XCLIENT + QUICK).start()
    client = Client(gate.address, source="127.0.0.9")
    client.start_tls(trusting)
    assert authenticate(client, "SCRAM-SHA-256", LOGIN, "wrong").code == 535
    assert authenticate(client, "SCRAM-SHA-256", LOGIN, PASSWORD).code == 235
    assert client.deliver([EVERYWHERE], letter()).code == 250
    client.close()
    postfix.wait_messages(1)
    assert re.search(rf"client=unknown\[127\.0\.0\.9\], sasl_method=SCRAM-SHA-256, sasl_username={LOGIN}", postfix.log)
    assert re.search(r"unknown\[127\.0\.0\.9\]: SASL SCRAM-SHA-256 authentication failed", postfix.log)


def test_without_the_permission_nothing_goes_in_the_gates_own_name(new_door, new_submission, new_gate, trusting):
    postfix = new_submission({LOGIN: PASSWORD}, "mynetworks = 127.0.0.0/8\n"
                             "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject\n")
    gate = new_gate(postfix.address, more=XCLIENT + QUICK).start()
    with Client(gate.address) as client:
        assert client.envelope(["you@example.com"])[0].text.startswith("451 4.3.5 ")
        assert client.ask("DATA").code in (503, 554)
    door = new_door(postfix.address, more=XCLIENT + QUICK).start()
    with secured(door, trusting) as client:
        assert authenticate(client, "PLAIN", LOGIN, PASSWORD).code == 454
        assert client.ask("MAIL FROM:<anna@example.com>").code == 530
    assert postfix.messages() == [] and postfix.queue_empty()
    assert "sasl_username" not in postfix.log


def test_xforward_of_a_postfix_in_front_is_passed_on(new_gate, new_postfix):
    behind = new_postfix(settings="smtpd_authorized_xforward_hosts = 127.0.0.0/8\n")
    believing = new_gate(behind.address, listener='xforward = ["127.0.0.1"]\n').start()
    deaf = new_gate(behind.address).start()
    smtpd = recipe("proxy filter").split("127.0.0.1:10025", 1)[0]
    for gate in (believing, deaf):
        front = new_postfix(smtpd=smtpd.replace("smtp inet", "127.0.0.1:0 inet").replace("127.0.0.1:10024",
                                                                                       text_of(gate.address)))
        with Client(front.address, source="127.0.0.9") as client:
            assert client.deliver(["you@example.com"], letter()).code == 250
    behind.wait_messages(2)
    told, untold = re.findall(r"smtpd\[\d+\]: \w+: client=\w+\[127\.0\.0\.1\](.*)", behind.log)
    assert "orig_client=unknown[127.0.0.9]" in told and "orig_client" not in untold
