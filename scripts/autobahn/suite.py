"""Plays the cases of an Autobahn test suite against a WebSocket echo server, with Debian's Twisted and Autobahn.

usage: suite.py CHECKOUT URL GROUPS

The suite is written for Python 2. Its case definitions are copied into a folder that goes when this ends, and translated
there: its payloads become strings of which each character is a byte, and are bytes only where they meet the socket.
GROUPS is a list like 1,2,12. Prints one line of JSON for each case: its number, what the suite says of its behaviour and
of its Close, and its own words for it.
"""

import json
import os
import re
import shutil
import sys
import tempfile

SHIM = '''
import binascii as _binascii, os
from autobahn.websocket.utf8validator import Utf8Validator as _Utf8Validator

def _octets(text):
    return text.encode("latin-1") if isinstance(text, str) else text

class binascii:
    @staticmethod
    def b2a_hex(text):
        return _binascii.b2a_hex(_octets(text)).decode()
    hexlify = b2a_hex

class Utf8Validator:
    def __init__(self):
        self.validator = _Utf8Validator()
    def reset(self):
        self.validator.reset()
    def validate(self, text):
        return self.validator.validate(_octets(text))

class pkg_resources:
    @staticmethod
    def resource_filename(_, name):
        return os.path.join(os.path.dirname(os.path.abspath(__file__)), name)

def _text(value):
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return [_text(item) for item in value] if isinstance(value, (list, tuple)) else value

class pickle:
    dumps = staticmethod(_text)
'''

# What is replaced in which files, after Python's own translation to Python 3.
REPLACEMENTS = [
    (r"case(?!12_x_x).*", r"\.encode\([\"']utf-?8[\"']\)", ".encode('utf-8', 'surrogatepass').decode('latin-1')"),
    (r".*", r"(?m)^import binascii", "from shim import binascii"),
    (r".*", r"(?m)^import copy, os, pkg_resources, hashlib, binascii", "import copy, os, hashlib, binascii\nfrom shim import pkg_resources"),
    (r".*", r"copy\.deepcopy\(self\.p\.trafficStats\)", "None"),
    (r"case\.py", r"import pickle", "from shim import pickle"),
    (r"case6_x_x\.py", r"from autobahn.websocket.utf8validator import", "from shim import"),
    (r"case6_x_x\.py", r"\.tostring\(\)", ".tobytes().decode('latin-1')"),
    (r".*", r"\(object, ?Case, ?\)", "(Case,)"),
    (r"__init__\.py", r"(?m)^from \.?case9_9_1.*\n", ""),
    (r"case12_x_x\.py", r"(request|accept)NoContextTakeover", r"\1_no_context_takeover"),
    (r"case12_x_x\.py", r"(request|accept)MaxWindowBits", r"\1_max_window_bits"),
    (r"case10_1_1\.py", r" / ", " // "),
    (r"case6_2_[123]\.py", r"(?m)^( +PAYLOAD[12]? = )\"([^\"]*)\"$", r"\1'\2'.encode('utf-8').decode('latin-1')"),
]


def translate(checkout, folder):
    source = os.path.join(checkout, "autobahntestsuite", "autobahntestsuite")
    for name in ("case", "testdata"):
        shutil.copytree(os.path.join(source, name), os.path.join(folder, name))
    cases = os.path.join(folder, "case")
    paths = sorted(os.path.join(cases, name) for name in os.listdir(cases) if name.endswith(".py"))
    for path in paths:
        edit(path, lambda text: text.replace("\r", ""))
    from lib2to3.refactor import RefactoringTool, get_fixers_from_package

    RefactoringTool(get_fixers_from_package("lib2to3.fixes")).refactor(paths, write=True)
    for path in paths:
        for name, pattern, replacement in REPLACEMENTS:
            if re.fullmatch(name, os.path.basename(path)):
                edit(path, lambda text: re.sub(pattern, replacement, text))
    with open(os.path.join(folder, "shim.py"), "w") as file:
        file.write(SHIM)


def edit(path, change):
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(change(text))


def octets(value):
    return value.encode("latin-1") if isinstance(value, str) else value


def characters(value):
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else value


def play(cases, url):
    from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol, connectWS
    from twisted.internet import reactor

    class Client(WebSocketClientProtocol):
        """What the suite's fuzzing client gives its cases."""

        def connectionMade(self):
            self.connectionWasOpen = None
            self.createWirelog = False
            self.rx = {}
            self.txFrameStats, self.rxFrameStats, self.rxOctetStats, self.txOctetStats = {}, {}, {}, {}
            super().connectionMade()

        def enableWirelog(self, _enable):
            pass

        def unlessClosed(self, delay, act):
            reactor.callLater(delay, lambda: None if self.state == self.STATE_CLOSED else act())

        def continueLater(self, delay, act, tag=None):
            self.unlessClosed(delay, act)

        def killAfter(self, delay):
            self.unlessClosed(delay, self.kill)

        def closeAfter(self, delay):
            self.unlessClosed(delay, self.sendClose)

        def kill(self):
            self.failedByMe = True
            self.dropConnection(abort=True)

        def count(self, stats, opcode):
            stats[opcode] = stats.get(opcode, 0) + 1

        def logTxFrame(self, header, *_):
            self.count(self.txFrameStats, header.opcode)

        def logRxFrame(self, header, _payload):
            self.count(self.rxFrameStats, header.opcode)

        def logRxOctets(self, _data):
            pass

        def logTxOctets(self, _data, _sync):
            pass

        def sendFrame(self, opcode, payload=b"", fin=True, rsv=0, mask=None, payload_len=None, chopsize=None, sync=False):
            return super().sendFrame(opcode, octets(payload), fin, rsv, mask, payload_len, chopsize, sync)

        def sendMessage(self, payload, isBinary=False, fragmentSize=None, sync=False, doNotCompress=False):
            # A case that has failed goes on sending.
            if self.state == self.STATE_OPEN:
                super().sendMessage(octets(payload), isBinary, fragmentSize, sync, doNotCompress)

        def sendMessageFrameData(self, payload, sync=False):
            return super().sendMessageFrameData(octets(payload), sync)

        def sendPing(self, payload=None):
            return super().sendPing(octets(payload))

        def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
            return super().sendCloseFrame(code, octets(reasonUtf8), isReply)

        def sendClose(self, code=None, reason=None):
            if self.state == self.STATE_OPEN:
                self.sendCloseFrame(code=code, reasonUtf8=reason)

        def onOpen(self):
            self.connectionWasOpen = True
            self.runCase.onOpen()

        def onMessage(self, payload, isBinary):
            # The cases of compression have data of their own, in bytes.
            self.runCase.onMessage(payload if hasattr(self.runCase, "TESTDATA") else characters(payload), isBinary)

        def onPing(self, payload):
            self.runCase.onPing(characters(payload))

        def onPong(self, payload):
            self.runCase.onPong(characters(payload))

        def onClose(self, wasClean, code, reason):
            self.runCase.onClose(wasClean, code, reason)

        def connectionLost(self, reason):
            super().connectionLost(reason)
            self.runCase.onConnectionLost(self.failedByMe)
            tell(self.runCase)

    class Clients(WebSocketClientFactory):
        played = 0

        def __init__(self):
            super().__init__(url)
            self.logOctets, self.logFrames = False, True
            self.setProtocolOptions(failByDrop=False)

        def buildProtocol(self, _address):
            client = Client()
            client.factory = self
            client.Case = cases[self.played]
            client.runCase = client.Case(client)
            return client

        def clientConnectionLost(self, connector, _reason):
            self.played += 1
            if self.played < len(cases):
                connector.connect()
            else:
                reactor.stop()

        def clientConnectionFailed(self, _connector, reason):
            print(reason, file=sys.stderr)
            reactor.stop()

    connectWS(Clients())
    reactor.run()


def number(case):
    return case.__name__[len("Case") :].replace("_", ".")


def tell(case):
    told = {
        "number": number(type(case)),
        "behavior": case.behavior,
        "close": case.behaviorClose,
        "result": f"{case.result} {case.resultClose}"[:300],
    }
    print(json.dumps(told), flush=True)


def main():
    checkout, url, groups = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        translate(checkout, folder)
        sys.path.insert(0, folder)
        import case

        play([each for each in case.Cases if number(each).split(".")[0] in groups.split(",")], url)


main()
