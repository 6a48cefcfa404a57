"""Mutants of the ledgers: the table, the file."""

from tests.mutants.mutant import Mutant

_DYNAMO = "infra/ledger/dynamodb.py"
_SQLITE = "infra/ledger/sqlite.py"
_STUB = ("tests/ledger/test_dynamodb.py",)
_CONTRACT = ("tests/ledger/test_ledger.py",)

MUTANTS = (
    Mutant("dynamo-last-unmet", "any reason of a cancelled transaction counts as a condition that did not hold",
           _DYNAMO,
           "strict=False) if reason == _UNMET), None)", 'strict=False) if reason != "None"), None)', _STUB, goal="R6"),
    Mutant("dynamo-eventual-query", "the items of a stack are read as they were a moment ago", _DYNAMO,
           '            "ConsistentRead": True,\n        }\n        found', "        }\n        found", _STUB,
           goal="R6"),
    Mutant("damage-is-nothing", "an item that cannot be read is an item without members", "infra/ledger/sqlite.py",
           '        raise ItemDamaged(key, "its text is no JSON object")\n', "        return {}\n",
           ("tests/ledger/test_damage.py",)),
    Mutant("damage-stops-forgetting", "a stack whose record is damaged cannot be forgotten", "workflows/operating.py",
           "    except ItemDamaged:\n        return await _erased(ledger, partition)\n    held",
           "    except KeyError:\n        return await _erased(ledger, partition)\n    held",
           ("tests/ledger/test_damage.py",)),
    Mutant("damage-keeps-the-lease", "a run that cannot read its records keeps the lease",
           "workflows/reconcile/session.py",
           "        except OSError:\n            await session.release()\n", "        except OSError:\n",
           ("tests/ledger/test_damage.py",)),
    Mutant("stated-account-believed", "AWS_ACCOUNT_ID is believed whatever the credentials say", "infra/aws.py",
           "        if stated and stated != account:\n", "        if stated and stated == account:\n",
           ("tests/ledger/test_damage.py",)),
    Mutant("dynamo-eventual-get", "an item is read as it was a moment ago", _DYNAMO,
           '{"Key": attributes_of(key), "ConsistentRead": True}', '{"Key": attributes_of(key)}', _STUB, goal="R6"),
    Mutant("dynamo-token-fixed", "the same content again is taken for a repetition, and not written", _DYNAMO,
           '"ClientRequestToken": str(uuid.uuid4())',
           '"ClientRequestToken": str(uuid.uuid5(uuid.NAMESPACE_OID, str(items)))',
           _STUB),
    Mutant("dynamo-place-version", "what was put aside is read in its newest version", _DYNAMO,
           '**({"VersionId": version} if version else {})}', "}", _STUB),
    Mutant("dynamo-first-page", "of a stack with many resources only the first page is read", _DYNAMO,
           "            if not last:\n                return found\n", "            return found\n",
           (f"{_CONTRACT[0]}::test_queries_go_past_the_first_page",)),
    Mutant("dynamo-never-expires", "history and answers are kept for ever", _DYNAMO,
           "        if put.expires is not None:\n", "        if put.expires == 0:\n", _STUB),
    Mutant("dynamo-none-ignored", "a condition that a member be missing always holds", _DYNAMO,
           'f"attribute_not_exists(#{number})"', 'f"(attribute_not_exists(#{number}) OR attribute_exists(#{number}))"',
           (f"{_CONTRACT[0]}::test_none_means_that_a_member_is_not_there",), goal="R6"),
    Mutant("sqlite-unconditional", "the file's conditions always hold", _SQLITE,
          "                if change.when is not None and not holds(self._plain(change.key), change.when):",
           "                if change.when == {}:",
           (f"{_CONTRACT[0]}::test_a_condition_that_fails_changes_nothing",), goal="R6"),
    Mutant("sqlite-pattern", "a prefix with a percent sign finds what does not begin with it", _SQLITE,
           '"SELECT sort, item FROM items WHERE partition = ? AND substr(sort, 1, ?) = ? ORDER BY sort"',
           '"SELECT sort, item FROM items WHERE partition = ? AND ? >= 0 AND sort LIKE ? || \'%\' ORDER BY sort"',
           (f"{_CONTRACT[0]}::test_queries_take_a_prefix_literally",)),
    Mutant("file-for-all", "the file of the ledger may be read by everybody", _SQLITE,
           "path.chmod(0o600)", "path.chmod(0o644)", (f"{_CONTRACT[0]}::test_the_file_is_its_owner_s_alone",)),
)  # fmt: skip
