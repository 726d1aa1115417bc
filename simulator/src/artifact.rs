//! [`Artifact`]: a run that can be replayed after the code has changed, because its schedule is written out.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

use crate::{
    plan::Plan,
    shrink::Symptom,
    verdict::{Run, Verdict},
};

/// What the first field of an artifact says.
const FORMAT: &str = "archgen simulation 1";

/// A kept run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// [`FORMAT`].
    pub format: String,
    /// The spec, as it was named.
    pub spec: String,
    /// Environment overlay.
    pub environment: Option<String>,
    /// Values set on the command line.
    #[serde(default)]
    pub set: Vec<String>,
    /// Fingerprint of the spec's texts.
    pub spec_hash: String,
    /// The source's commit, where it is known.
    pub commit: Option<String>,
    /// The whole plan.
    pub plan: Plan,
    /// Digest of its run.
    pub digest: String,
    /// What came of it.
    pub verdict: Verdict,
    /// The promises that it broke.
    pub broken: Vec<String>,
    /// Witnesses and remarks, in words.
    pub story: Vec<String>,
}

/// Why a text is no artifact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// Not JSON, or not of the shape.
    #[error("it is damaged or no artifact of a simulation: {0}")]
    Damaged(#[from] serde_json::Error),
    /// Of another version.
    #[error("it is of the format `{0}`; this version reads `{FORMAT}`")]
    Foreign(String),
    /// Its plan cannot be run.
    #[error("its plan makes no sense: {0}")]
    Senseless(&'static str),
}

impl Artifact {
    /// An artifact of this run.
    pub fn new(
        spec: &str,
        environment: Option<&str>,
        set: &[String],
        spec_hash: String,
        plan: &Plan,
        run: &Run,
    ) -> Self {
        let witnesses = run.findings.iter().flat_map(|finding| finding.breaches.iter().cloned());
        Self {
            format: FORMAT.to_owned(),
            spec: spec.to_owned(),
            environment: environment.map(str::to_owned),
            set: set.to_vec(),
            spec_hash,
            commit: None,
            plan: plan.clone(),
            digest: run.digest.clone(),
            verdict: run.verdict,
            broken: run.broken().into_iter().map(str::to_owned).collect(),
            story: run.remarks.iter().cloned().chain(witnesses).collect(),
        }
    }

    /// Reads an artifact.
    ///
    /// # Errors
    /// See [`ArtifactError`].
    pub fn parse(text: &str) -> Result<Self, ArtifactError> {
        let value: serde_json::Value = serde_json::from_str(text)?;
        match value["format"].as_str() {
            Some(FORMAT) => {}
            Some(other) => return Err(ArtifactError::Foreign(other.to_owned())),
            None => return Err(ArtifactError::Foreign("none".to_owned())),
        }
        let artifact: Self = serde_json::from_value(value)?;
        let plan = &artifact.plan;
        if plan.people == 0 || plan.sends == 0 {
            return Err(ArtifactError::Senseless("nobody sends anything"));
        }
        if plan.schedule.iter().any(|fault| fault.at_ms > plan.duration_ms) {
            return Err(ArtifactError::Senseless("a fault begins after the fault phase"));
        }
        Ok(artifact)
    }

    /// How its run failed; `None` where it did not break a promise.
    pub fn symptom(&self) -> Option<Symptom> {
        self.broken.first().map(|name| Symptom::named(name))
    }

    /// Its text.
    pub fn text(&self) -> String {
        // A value of strings and numbers always has a text.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }
}

/// Fingerprint of a spec's texts.
pub fn fingerprint<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut hash = Xxh3Default::new();
    for text in texts {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    format!("{:016x}", hash.digest())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::EngineKind,
        faults::{Action, Scheduled},
    };

    fn artifact() -> Artifact {
        let fault = Scheduled { at_ms: 100, for_ms: 50, action: Action::Exit { host: "chat-1".to_owned() } };
        let plan = Plan {
            rebalance: false,
            engine: EngineKind::Event,
            seed: 3,
            people: 2,
            sends: 4,
            duration_ms: 1_000,
            settle_ms: 500,
            schedule: vec![fault],
        };
        let run = Run::without_result(&plan, "it hung".to_owned());
        Artifact::new("s.yaml", Some("sim"), &[], fingerprint(["a"].into_iter()), &plan, &run)
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Artifact::parse(&artifact().text()).unwrap(), artifact());
    }

    #[test]
    fn damaged_and_foreign_texts_are_refused_with_the_reason() {
        let text = artifact().text();
        let reason = |text: &str| Artifact::parse(text).unwrap_err().to_string();
        assert!(reason(&text[..text.len() / 2]).starts_with("it is damaged"));
        assert!(reason("{}").contains("format `none`"));
        assert!(reason(&text.replace("simulation 1", "simulation 9")).contains("`archgen simulation 9`"));
        assert!(reason(&text.replace("\"kind\": \"exit\"", "\"kind\": \"flood\"")).contains("flood"));
        assert!(reason(&text.replace("\"people\": 2", "\"people\": 0")).contains("nobody"));
        assert!(reason(&text.replace("\"at_ms\": 100", "\"at_ms\": 5000")).contains("after the fault phase"));
    }

    #[test]
    fn a_fingerprint_tells_texts_apart() {
        let of = |texts: &[&str]| fingerprint(texts.iter().copied());
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
    }
}
