"""splunk.py TRANSFORMS < LINES OF CEF: the fields that the two transforms take from each line, as JSON; Splunk's regular expressions are PCRE's."""
import configparser
import json
import re
import sys

conf = configparser.RawConfigParser(delimiters=("=",))
conf.optionxform = str
conf.read(sys.argv[1])
header, extension = conf["scanhound_cef_header"], conf["scanhound_cef_extension"]
for line in sys.stdin:
    fields = {}
    found = re.search(header["REGEX"], line.rstrip("\n"))
    for part in header["FORMAT"].split():
        name, group = part.split("::$")
        fields[name] = found.group(int(group))
    for name, value in re.findall(extension["REGEX"], line.rstrip("\n")[found.end():]):
        fields[name] = value
    print(json.dumps(fields))
