"""Write the JSON Schemas of every command's output: python tests/data/make_schemas.py."""

import json
from pathlib import Path

import maskstat
from maskstat.cli.doctor import DOCTOR_COLUMNS
from maskstat.cli.upgrade import UPGRADE_COLUMNS
from maskstat.cli.verify import VERIFY_COLUMNS
from maskstat.prune.retraining import RETRAIN_COLUMNS
from maskstat.reproduce.claim import CLAIM_COLUMNS
from maskstat.stats.compare import COMPARE_COLUMNS
from maskstat.stats.connect import CONNECTIVITY_COLUMNS
from maskstat.stats.correlate import CORRELATE_COLUMNS
from maskstat.stats.ensemble import ENSEMBLE_COLUMNS
from maskstat.stats.initial import BIN_COLUMNS, WEIGHT_COLUMNS
from maskstat.stats.inventory import LAYER_COLUMNS, RUN_COLUMNS
from maskstat.stats.matched import MATCH_COLUMNS
from maskstat.stats.outputs import OUTPUT_COLUMNS
from maskstat.stats.outputs_summary import OUTPUT_SUMMARY_COLUMNS
from maskstat.stats.parameters_left import PARAMETER_COLUMNS
from maskstat.stats.pattern import PATTERN_COLUMNS
from maskstat.stats.summary import SUMMARY_COLUMNS
from maskstat.stats.vote_bins import BASELINE_COLUMNS, CONSENSUS_COLUMNS
from maskstat.table import json_schema

FOLDER = Path(maskstat.__file__).parent / "schemas"

SCHEMAS = {
    "maskstat.compare/1": COMPARE_COLUMNS,
    "maskstat.connectivity/1": CONNECTIVITY_COLUMNS,
    "maskstat.consensus/1": {**CONSENSUS_COLUMNS, **BASELINE_COLUMNS},
    "maskstat.correlate/1": CORRELATE_COLUMNS,
    "maskstat.doctor/1": DOCTOR_COLUMNS,
    "maskstat.ensemble/1": ENSEMBLE_COLUMNS,
    "maskstat.info/1": LAYER_COLUMNS,
    "maskstat.list/1": RUN_COLUMNS,
    "maskstat.match/1": MATCH_COLUMNS,
    "maskstat.outputs/1": OUTPUT_COLUMNS,
    "maskstat.outputs-summary/1": OUTPUT_SUMMARY_COLUMNS,
    "maskstat.reproduce/1": CLAIM_COLUMNS,
    "maskstat.retrain/1": RETRAIN_COLUMNS,
    "maskstat.parameters/1": PARAMETER_COLUMNS,
    "maskstat.pattern/1": PATTERN_COLUMNS,
    "maskstat.summary/1": SUMMARY_COLUMNS,
    "maskstat.upgrade/1": UPGRADE_COLUMNS,
    "maskstat.verify/1": VERIFY_COLUMNS,
    "maskstat.weights/1": WEIGHT_COLUMNS,
    "maskstat.weights-histogram/1": BIN_COLUMNS,
}


def path_of(schema):
    """Return where the schema of a name such as maskstat.compare/1 lies."""
    return FOLDER / f"{schema.removeprefix('maskstat.').replace('/', '-')}.json"


def text_of(schema):
    """Return the schema as it is shipped."""
    return json.dumps(json_schema(schema, SCHEMAS[schema]), indent=1) + "\n"


if __name__ == "__main__":
    for name in SCHEMAS:
        path_of(name).write_text(text_of(name))
