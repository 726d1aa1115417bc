//! S3: what a bucket is set to is put again where it differs; what would let objects go is asked for first.

use std::time::Duration;

use archgen_spec::topology::{DatasetShape, StoreId, Topology};

use super::Migration;
use crate::context::s3::{bucket, parts};

/// The calls of the `aws` program that set each part.
const CALLS: [(&str, &str, &str); 4] = [
    ("lifecycle", "put-bucket-lifecycle-configuration", "lifecycle-configuration"),
    ("policy", "put-bucket-policy", "policy"),
    ("cors", "put-bucket-cors", "cors-configuration"),
    ("versioning", "put-bucket-versioning", "versioning-configuration"),
];

pub(super) fn migrate(
    (old, was): (&Topology, StoreId),
    (new, is): (&Topology, StoreId),
    lose: bool,
    migration: &mut Migration,
) {
    let (before, store) = (old.store(was), new.store(is));
    for (place, dataset) in store.datasets.iter().enumerate() {
        let DatasetShape::Bucket { versioned, expire } = &dataset.shape else { continue };
        let path = |what: &str| format!("stores.{}.buckets.{}.{what}", store.name, dataset.name);
        let name = bucket(store, dataset);
        let had = before.datasets.iter().position(|d| d.name == dataset.name);
        let set = match had {
            None => {
                let statement = format!("aws s3api create-bucket --bucket {name}");
                migration.step(&store.name, statement, "nobody knows a new bucket yet");
                Vec::new()
            }
            Some(had) => {
                if let DatasetShape::Bucket { versioned: kept, expire: until } = &before.datasets[had].shape {
                    if is_sooner(*until, *expire) && !lose {
                        migration.refuse(
                            path("expire"),
                            "objects that are older than the new time would be lost",
                            true,
                        );
                        continue;
                    }
                    if *kept && !versioned && !lose {
                        let reason = "what is replaced or deleted from here on could not be brought back";
                        migration.refuse(path("versioned"), reason, true);
                        continue;
                    }
                }
                parts(old, was, had)
            }
        };
        for (part, value) in parts(new, is, place) {
            let call = CALLS.iter().find(|(known, ..)| *known == part);
            let same = set.iter().any(|(known, had)| *known == part && *had == value);
            let Some((_, call, argument)) = call.filter(|_| !same) else { continue };
            let file = format!("file://s3/{}/{}/{part}.json", store.name, dataset.name);
            let statement = format!("aws s3api {call} --bucket {name} --{argument} {file}");
            migration.step(&store.name, statement, "a change of settings");
        }
    }
    for dataset in before.datasets.iter().filter(|d| !store.datasets.iter().any(|n| n.name == d.name)) {
        if lose {
            let statement = format!("aws s3 rb --force s3://{}", bucket(before, dataset));
            migration.step(
                &store.name,
                statement,
                "asked for; a bucket with versions goes when those have gone by its lifecycle",
            );
        } else {
            let path = format!("stores.{}.buckets.{}", store.name, dataset.name);
            migration.refuse(path, "its objects would be lost", true);
        }
    }
}

/// Objects go earlier than they did; without a time they never do.
fn is_sooner(was: Option<Duration>, is: Option<Duration>) -> bool {
    is.is_some_and(|is| was.is_none_or(|was| is < was))
}
