//! AG050: a secret is written into the spec. What was found is blanked out at once, so that no snippet shows it.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::{Node, Sources, Span, Value};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(50),
    title: "a secret is written into the spec",
    why: "A spec is committed, generated from, printed and sent around; so is whatever is written into it. Only a reference may stand in it: no secret reaches an artifact, a plan or a log.",
    fix: "Declare the secret under `secrets:` as `env:NAME` or `file:PATH` and refer to it as `secret:NAME`. A secret that was committed once must be replaced by a new one.",
    before: r#"secrets: { pg: hunter2 }
"#,
    after: r#"secrets: { pg: "env:PG_PASSWORD" }
"#,
};

const HELP: &str = "declare it under `secrets:` as `env:NAME` or `file:PATH` and write `secret:NAME` here; replace it if it was ever shared";

/// A source of a secret that is neither `env:` nor `file:`.
pub fn source(span: Span, subject: &str) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, format!("{subject} is no reference to a secret"))
        .with_help("accepted forms: `env:NAME`, `file:./path`")
}

/// Finds literals that are or look like secrets, reports them, blanks them out in `sources` and makes the nodes
/// invalid, so that no later message can quote them.
pub fn scan(root: &mut Node, sources: &mut Sources, out: &mut Vec<Diagnostic>) {
    let mut path = Vec::new();
    walk(root, &mut path, sources, out);
}

/// Whether a search for secrets is worth its time.
fn suspicious(text: &str) -> bool {
    let signs = PREFIXES.iter().map(|(prefix, ..)| *prefix).chain(["://", "PRIVATE KEY"]);
    signs.into_iter().any(|sign| text.contains(sign))
}

/// Blanks out whatever looks like a secret in a message: it may quote a key or a name.
pub fn blank_message(diagnostic: &mut Diagnostic) {
    let related = diagnostic.related.iter_mut().map(|(_, what)| what);
    for text in [&mut diagnostic.message].into_iter().chain(&mut diagnostic.help).chain(related) {
        if suspicious(text) {
            let words: Vec<&str> = text.split(' ').map(|w| if token(w).is_some() { "***" } else { w }).collect();
            *text = words.join(" ");
        }
    }
}

/// Blanks out whatever looks like a secret anywhere in the files: a snippet shows comments and neighbours, too.
pub fn blank(sources: &mut Sources) {
    let mut found = Vec::new();
    for file in sources.files() {
        let text = sources.text(file);
        if !suspicious(text) {
            continue;
        }
        let mut start = 0;
        for word in text.split([' ', '\n', '"', '\'', ',']) {
            if token(word).is_some() {
                found.push(Span { file, start, end: start + word.len() });
            }
            start += word.len() + 1;
        }
    }
    found.into_iter().for_each(|span| sources.redact(span));
}

/// Depth is bounded by the parser's budget.
fn walk<'t>(node: &'t mut Node, path: &mut Vec<&'t str>, sources: &mut Sources, out: &mut Vec<Diagnostic>) {
    if let Some(why) = node.text().and_then(|text| suspicion(path, text)) {
        let name = path.join(".");
        out.push(Diagnostic::error(EXPLANATION.code, node.span, format!("`{name}` {why}")).with_help(HELP));
        sources.redact(node.span);
        node.value = Value::Invalid;
    }
    match &mut node.value {
        Value::Mapping(entries) => {
            for entry in entries {
                path.push(&entry.key.text);
                walk(&mut entry.value, path, sources, out);
                path.pop();
            }
        }
        Value::Sequence(items) => items.iter_mut().for_each(|item| walk(item, path, sources, out)),
        Value::Scalar { .. } | Value::Null | Value::Invalid => {}
    }
}

/// Why a value is taken for a secret; `None` where it is not.
fn suspicion(path: &[&str], text: &str) -> Option<&'static str> {
    if text.starts_with("secret:") {
        return None;
    }
    if path.first() == Some(&"secrets") {
        let reference = ["env:", "file:"].iter().any(|p| text.strip_prefix(p).is_some_and(|rest| !rest.is_empty()));
        return (!reference).then_some("holds a literal where a reference is due");
    }
    if let Some(why) = token(text) {
        return Some(why);
    }
    let own = path.contains(&"env") || path.first() == Some(&"vars");
    let named = own && path.last().is_some_and(|key| secret_name(key));
    (named && !text.is_empty() && !text.contains("${")).then_some("has a secret's name and a literal value")
}

/// Names of free settings that promise a secret.
fn secret_name(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    // `token_lifetime` names no secret, `api_token` does.
    ["password", "passwd", "secret", "token", "api_key", "apikey", "private_key", "access_key", "credentials"]
        .iter()
        .any(|word| key.ends_with(word))
}

/// No secret that can be told by its form is shorter: `a://b:c@d`.
const TOKEN_BYTES_MIN: usize = 9;

/// How tokens begin, how much follows at least, and what they are.
const PREFIXES: [(&str, usize, &str); 9] = [
    ("AKIA", 16, "looks like an AWS access key"),
    ("ASIA", 16, "looks like an AWS access key"),
    ("ghp_", 30, "looks like a GitHub token"),
    ("github_pat_", 22, "looks like a GitHub token"),
    ("glpat-", 20, "looks like a GitLab token"),
    ("xoxb-", 20, "looks like a Slack token"),
    ("sk_live_", 16, "looks like a Stripe key"),
    ("AIza", 35, "looks like a Google API key"),
    ("eyJ", 40, "looks like a JSON web token"),
];

/// Forms that only secrets have.
fn token(text: &str) -> Option<&'static str> {
    // Shorter texts are none of these; most values are short.
    if text.len() < TOKEN_BYTES_MIN {
        return None;
    }
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        return Some("holds a private key");
    }
    let found = PREFIXES.iter().find(|(prefix, rest, _)| {
        text.match_indices(prefix).any(|(at, _)| {
            let fresh = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
            let tail = text[at + prefix.len()..].bytes();
            fresh && tail.take_while(|b| b.is_ascii_alphanumeric() || b"_-./+".contains(b)).count() >= *rest
        })
    });
    if let Some((.., why)) = found {
        return Some(why);
    }
    // scheme://user:password@host
    let (_, rest) = text.split_once("://")?;
    let (user, _) = rest.split('/').next()?.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    (!password.is_empty() && !password.starts_with("${")).then_some("holds a password in an address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn forms_of_secrets() {
        let at = |path: &[&str], text: &str| suspicion(path, text).is_some();
        assert!(at(&["gateway", "host"], "AKIAIOSFODNN7EXAMPLE"));
        assert!(at(&["services", "x", "command"], "--db=postgres://u:hunter2@db/x"));
        assert!(at(&["services", "x", "env", "DB_PASSWORD"], "hunter2"));
        assert!(at(&["secrets", "pg"], "env:"));
        assert!(!at(&["services", "x", "env", "DB_PASSWORD"], "secret:pg"));
        assert!(!at(&["services", "user", "password_memory"], "19MiB"));
        assert!(!at(&["vars", "token_lifetime"], "10m"));
        assert!(!at(&["gateway", "limits", "per_token"], "50/s burst 100"));
        assert!(!at(&["secrets", "pg"], "env:PG_PASSWORD"));
        assert!(!at(&["gateway", "host"], "chat.example.test"));
    }

    #[test]
    fn neighbours_and_comments_are_blanked_out() {
        let spec = "colour: blue # AKIAIOSFODNN7EXAMPLE\nvars: { db: [x, 'postgres://u:hunter2@db/x'\n";
        let loaded = crate::checks::testing::loaded(spec);
        let text = crate::diagnostic::human(&loaded.diagnostics, &loaded.sources, false);
        assert!(!text.is_empty() && !text.contains("AKIA") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn what_was_found_is_shown_nowhere() {
        let spec = "services:\n  billing: { kind: process, port: 9700, command: [./billing], env: { API_TOKEN: hunter2horse } }\n";
        let loaded = crate::checks::testing::loaded(spec);
        let text = crate::diagnostic::human(&loaded.diagnostics, &loaded.sources, false);
        let json = crate::diagnostic::json(&loaded.diagnostics, &loaded.sources);
        assert!(text.contains("AG050") && !text.contains("hunter2") && !json.contains("hunter2"), "{text}");
    }
}
