"""queries.py RULE...: what pySigma finds wrong with a rule goes to stderr and ends it; a query of Lucene for each goes to stdout."""
import sys

from sigma.backends.opensearch import OpensearchLuceneBackend
from sigma.collection import SigmaCollection
from sigma.validation import SigmaValidator
from sigma.validators.core import validators

# These two fetch ATT&CK and D3FEND from elsewhere.
checks = {check for name, check in validators.items() if name not in ("attacktag", "d3_fendtag")}
wrong = 0
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as f:
        rules = SigmaCollection.from_yaml(f.read())
    for issue in SigmaValidator(checks).validate_rules(rules):
        print(path, issue, file=sys.stderr)
        wrong += 1
    for query in OpensearchLuceneBackend().convert(rules):
        print(query)
sys.exit(wrong > 0)
