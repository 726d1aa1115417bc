//! S3: what each bucket keeps, for how long, who may read it and from which origin.

use archgen_spec::topology::{Component, Dataset, DatasetRef, DatasetShape, Need, Store, StoreId, StoreKind, Topology};
use serde_json::{Value, json};

use super::Files;
use crate::GenerateError;
use crate::artifacts::json_file;

const SECONDS_PER_DAY: u64 = 86_400;

/// `s3/<store>/<bucket>/…` for each bucket: the bodies of the calls that set them.
pub(crate) fn files(topology: &Topology, files: &mut Files) -> Result<(), GenerateError> {
    for (index, store) in topology.stores.iter().enumerate().filter(|(_, s)| s.kind == StoreKind::S3) {
        for (place, dataset) in store.datasets.iter().enumerate() {
            for (name, part) in parts(topology, StoreId(index), place) {
                json_file(&format!("s3/{}/{}/{name}.json", store.name, dataset.name), &part, files)?;
            }
        }
    }
    Ok(())
}

/// The bucket's name among all that there are.
pub(crate) fn bucket(store: &Store, dataset: &Dataset) -> String {
    format!("{}-{}", store.namespace, dataset.name)
}

/// What a bucket is set to.
pub(crate) fn parts(topology: &Topology, of: StoreId, place: usize) -> Vec<(&'static str, Value)> {
    let store = topology.store(of);
    let dataset = &store.datasets[place];
    let DatasetShape::Bucket { versioned, expire } = &dataset.shape else { return Vec::new() };
    let days = expire.map(|time| time.as_secs().div_ceil(SECONDS_PER_DAY).max(1));
    let callers = DatasetRef { store: of, dataset: place };
    vec![
        ("lifecycle", lifecycle(days, *versioned)),
        ("policy", policy(topology, &bucket(store, dataset), callers)),
        ("cors", cors(topology)),
        ("versioning", json!({"Status": if *versioned { "Enabled" } else { "Suspended" }})),
    ]
}

fn lifecycle(days: Option<u64>, versioned: bool) -> Value {
    let mut rules = vec![json!({
        "ID": "abandoned-uploads", "Status": "Enabled", "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    })];
    if let Some(days) = days {
        rules.push(json!({
            "ID": "expire", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": days},
        }));
    }
    if versioned {
        // A version that was replaced or deleted can be brought back for a month.
        rules.push(json!({
            "ID": "old-versions", "Status": "Enabled", "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
        }));
    }
    json!({"Rules": rules})
}

/// Who may touch it: nobody without TLS, and nobody but the components that need it.
fn policy(topology: &Topology, bucket: &str, of: DatasetRef) -> Value {
    let resources = [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")];
    let users = callers(topology, of).into_iter().map(|name| format!("arn:aws:iam::*:user/{}-{name}", topology.name));
    let users: Vec<String> = users.collect();
    let mut statements = vec![json!({
        "Sid": "OnlyEncrypted", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    })];
    if !users.is_empty() {
        statements.push(json!({
            "Sid": "ThoseThatNeedIt", "Effect": "Allow", "Principal": "*",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListBucket"],
            "Resource": resources, "Condition": {"StringLike": {"aws:PrincipalArn": users}},
        }));
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn callers(topology: &Topology, of: DatasetRef) -> Vec<&str> {
    let wants = |need: &Need| *need == Need::Dataset(of) || *need == Need::Store(of.store);
    let services = topology.services.iter().filter(|s| s.needs.iter().any(wants)).map(|s| s.name.as_str());
    let realtime = topology.realtime.iter().filter(|r| r.needs.iter().any(wants));
    services.chain(realtime.map(|_| topology.component_name(Component::Realtime))).collect()
}

/// Browsers send and fetch files themselves, with addresses that were signed for them.
fn cors(topology: &Topology) -> Value {
    let mut origins: Vec<String> = topology.gateway.iter().map(super::nginx::origin).collect();
    for cors in topology.gateway.iter().filter_map(|g| g.cors.as_ref()) {
        if cors.any {
            origins = vec!["*".to_owned()];
        } else {
            origins.extend(cors.origins.iter().cloned());
        }
    }
    let origins = if origins.is_empty() { vec!["https://localhost".to_owned()] } else { origins };
    json!({"CORSRules": [{
        "AllowedOrigins": origins, "AllowedMethods": ["GET", "HEAD", "PUT"], "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 600,
    }]})
}
