//! S3: key prefixes. The service scales by prefix; keys that begin with a part of their hash spread over all of them.

use archgen_spec::topology::Store;
use serde_json::json;

/// Writes and reads a second that AWS promises for each prefix.
const PER_PREFIX: (u32, u32) = (3_500, 5_500);

pub(super) fn files(store: &Store) -> Vec<(String, String)> {
    let buckets: Vec<String> = store.datasets.iter().map(|d| format!("{}-{}", store.namespace, d.name)).collect();
    // Sixteen prefixes: the first hexadecimal digit of the key's hash, that is its slot divided by 1,024.
    let prefixes: Vec<String> = (0..16).map(|digit| format!("{digit:x}/")).collect();
    let value = json!({
        "buckets": buckets,
        "prefixes": prefixes,
        "prefix_of_key": "the first hexadecimal digit of xxh3-64 of the key",
        "writes_per_second_max": 16 * PER_PREFIX.0,
        "reads_per_second_max": 16 * PER_PREFIX.1,
    });
    vec![("prefixes.json".to_owned(), serde_json::to_string_pretty(&value).unwrap_or_default() + "\n")]
}
