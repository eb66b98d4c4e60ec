"""Stand-ins in the scratch database for functions and table-valued functions that only a server has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice

from turso_deploy.sqlite.table_functions import TableFunction, Value

_MAX_SERIES = 1_000_000


def _series(start: Value, stop: Value, step: Value) -> Iterator[tuple[Value, ...]]:
    """Return the numbers of generate_series: https://www.sqlite.org/series.html."""
    if not isinstance(start, int):
        return iter(())
    by = step if isinstance(step, int) and step else 1
    last = stop if isinstance(stop, int) else 0xFFFFFFFF
    numbers = range(start, last + (1 if by > 0 else -1), by)
    return ((number,) for number in islice(numbers, _MAX_SERIES))


def _nothing(*_: Value) -> Iterable[tuple[Value, ...]]:
    return ()


TABLE_FUNCTIONS = {
    "generate_series": TableFunction(("value",), ("start", "stop", "step"), _series),
    # https://docs.turso.tech/features/ai-and-embeddings#top-k-search
    "vector_top_k": TableFunction(("id",), ("idx", "vector", "k"), _nothing),
    "fsdir": TableFunction(("name", "mode", "mtime", "data"), ("path", "dir"), _nothing, direct_only=True),
    "sqlite_dbpage": TableFunction(("pgno", "data"), ("schema",), _nothing, direct_only=True),
    "sqlite_stmt": TableFunction(
        tuple("sql ncol ro busy nscan nsort naidx nstep reprep run mem".split()), (), _nothing
    ),  # https://www.sqlite.org/stmt.html
}
"""The table-valued functions and eponymous tables of libSQL that this SQLite does not have."""

SERVER_FUNCTIONS = frozenset(
    # libSQL
    """atn2 charindex cot coth difference last_rows_affected leftstr libsql_server_database_name libsql_vector_idx
    lower_quartile lsmode mode padc padl padr proper readfile regexp regexpi replicate reverse rightstr sha3 sha3_query
    soundex sqlite3mc_codec_data sqlite3mc_config sqlite3mc_config_table sqlite3mc_version sqlite_crypt square stdev
    strfilter upper_quartile uuid uuid_blob uuid_str variance vector vector16 vector1bit vector32 vector64 vector8
    vector_distance_cos vector_distance_l2 vector_extract vectorb16 writefile
    """
    # the extensions of Turso Cloud: https://docs.turso.tech/features/sqlite-extensions
    """blake3 crypto_blake3 crypto_decode crypto_encode crypto_md5 crypto_sha1 crypto_sha256 crypto_sha384 crypto_sha512
    decode encode md5 sha1 sha256 sha384 sha512
    caverphone dlevenshtein edit_distance fuzzy_caver fuzzy_damlev fuzzy_editdist fuzzy_hamming fuzzy_jarowin
    fuzzy_leven fuzzy_osadist fuzzy_phonetic fuzzy_rsoundex fuzzy_script fuzzy_soundex fuzzy_translit hamming
    jaro_winkler levenshtein osa_distance phonetic_hash rsoundex script_code translit
    percentile_25 percentile_75 percentile_90 percentile_95 percentile_99 stats_median stats_p25 stats_p75 stats_p90
    stats_p95 stats_p99 stats_perc stats_stddev stats_stddev_pop stats_stddev_samp stats_var stats_var_pop
    stats_var_samp stddev stddev_pop stddev_samp var_pop var_samp
    bit_length btrim char_length character_length left lpad repeat right rpad split_part starts_with strpos text_bitsize
    text_casefold text_concat text_contains text_count text_has_prefix text_has_suffix text_index text_join
    text_last_index text_left text_length text_like text_lower text_lpad text_ltrim text_repeat text_replace
    text_reverse text_right text_rpad text_rtrim text_size text_slice text_split text_substring text_title
    text_translate text_trim text_upper translate
    gen_random_uuid uuid4 uuid7 uuid7_timestamp_ms
    regexp_capture regexp_like regexp_replace regexp_substr
    """.split()
)
"""The functions that servers are known to have, and this SQLite does not."""


def stand_in(name: str) -> Callable[..., Value]:
    """Return the stand-in for a function: a new value where a DEFAULT needs one, else NULL, which passes each CHECK.

    A function without arguments makes keys, as uuid() does, and one of blobs or vectors a blob.
    """
    numbers = count(1)

    def value(*arguments: Value) -> Value:
        if name.endswith("blob"):
            return next(numbers).to_bytes(16, "big")
        if not arguments:
            return f"00000000-0000-4000-8000-{next(numbers):012x}"
        return b"\0" * 16 if name.startswith("vector") and name not in _OF_VECTORS else None

    return value


_OF_VECTORS = ("vector_extract", "vector_distance_cos", "vector_distance_l2")
