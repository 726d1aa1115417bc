//! The generated index template in the cluster: made once, and recognised afterwards.

use http::Method;
use serde_json::{Value, json};

use super::client::Client;
use crate::{Fault, FaultKind, Server, Target};

/// The layout of documents that this program reads and writes. It rises when it changes.
const LAYOUT: u64 = 1;

fn path(target: &Target) -> String {
    format!("/_index_template/{}", target.namespace)
}

/// Who answers.
///
/// # Errors
/// See [`Fault`].
pub(super) async fn server(client: &Client) -> Result<Server, Fault> {
    // Not `GET /`: it is a module of its own.
    let answer = client.ask(Method::GET, "/_nodes/_local?filter_path=nodes.*.version", None).await?;
    let node = answer.body["nodes"].as_object().and_then(|nodes| nodes.values().next().cloned());
    let version = node.as_ref().and_then(|node| node["version"].as_str()).map(str::to_owned);
    let Some(version) = version.filter(|_| answer.status == 200) else {
        return Err(FaultKind::Foreign(format!("HTTP {}, and no version", answer.status)).at(&client.target));
    };
    if version.starts_with("1.") || version.starts_with("0.") {
        return Err(FaultKind::TooOld { found: version, least: "2.0" }.at(&client.target));
    }
    Ok(Server { version: format!("Elasticsearch or OpenSearch {version}") })
}

/// Whether the template there is the one that the spec makes.
///
/// # Errors
/// It is not, or is not there.
pub(super) async fn verify(client: &Client) -> Result<(), Fault> {
    let target = &client.target;
    let answer = client.ask(Method::GET, &path(target), None).await?;
    let found = &answer.body["index_templates"][0]["index_template"]["_meta"]["archgen"];
    let ours = target.schema.fingerprint();
    let kind = match (answer.status, found["layout"].as_u64(), found["fingerprint"].as_str()) {
        (404, ..) => FaultKind::Namespace(format!("index template `{}` of this fleet yet", target.namespace)),
        (200, Some(LAYOUT), Some(fingerprint)) if fingerprint == ours => return Ok(()),
        (200, Some(layout), _) if layout > LAYOUT => FaultKind::Schema(format!(
            "index template `{}` was made by a newer archgen (layout {layout}, this one knows {LAYOUT}); run that one",
            target.namespace
        )),
        (200, Some(_), fingerprint) => FaultKind::Schema(format!(
            "index template `{}` was made from another spec (template {}, this spec makes {ours}); put the generated \
             elasticsearch/{}/template.json and index anew, or name another `namespace`",
            target.namespace,
            fingerprint.unwrap_or("unknown"),
            target.store
        )),
        (200, None, _) => FaultKind::Schema(format!(
            "index template `{}` is somebody else's; name another `namespace`",
            target.namespace
        )),
        (status, ..) => FaultKind::Other(format!("HTTP {status}: {}", answer.reason())),
    };
    Err(kind.at(target))
}

/// Makes the template where it is not there. Of two who come at once, one makes it.
///
/// # Errors
/// See [`Fault`].
pub(super) async fn create(client: &Client) -> Result<(), Fault> {
    let target = &client.target;
    let mut template: Value = serde_json::from_str(&target.schema.text).map_err(|error| {
        FaultKind::Schema(format!("the generated index template cannot be read: {error}")).at(target)
    })?;
    template["_meta"] = json!({"archgen": {"layout": LAYOUT, "fingerprint": target.schema.fingerprint()}});
    let answer = client.ask(Method::PUT, &format!("{}?create=true", path(target)), Some(template.to_string())).await?;
    match answer.status {
        // It is there: verified next.
        200 | 400 if answer.status == 200 || answer.reason().contains("already exists") => verify(client).await,
        401 | 403 => Err(FaultKind::Rights(format!("make index templates ({})", answer.reason())).at(target)),
        status => Err(FaultKind::Other(format!("HTTP {status}: {}", answer.reason())).at(target)),
    }
}
