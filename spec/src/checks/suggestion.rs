//! *Did you mean*: the nearest of the names that would have been right.

use crate::diagnostic::Fix;
use crate::source::Span;

/// Names longer than this are not compared: the cost grows with the square.
const NAME_BYTES_MAX: usize = 64;

/// The candidate that is most likely meant, where one is near enough.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        if candidate.len() > NAME_BYTES_MAX || candidate == name {
            continue;
        }
        let score = strsim::jaro_winkler(&lower, candidate);
        let slips = strsim::damerau_levenshtein(&lower, candidate);
        let near = slips <= 1 || score >= 0.88 || (slips == 2 && candidate.len() >= 5);
        if near && best.is_none_or(|(top, _)| score > top) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The candidate that is certainly meant: one slip away (two in a long name), and no other is as near.
pub fn certain<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() < 3 || name.len() > NAME_BYTES_MAX {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let (mut best, mut slips_min, mut tied) = (None, usize::MAX, false);
    for candidate in candidates.into_iter().filter(|c| c.len() <= NAME_BYTES_MAX && *c != name) {
        let slips = strsim::damerau_levenshtein(&lower, candidate);
        tied = (tied && slips >= slips_min) || slips == slips_min;
        if slips < slips_min {
            (best, slips_min) = (Some(candidate), slips);
        }
    }
    let allowed = if name.len() >= 7 { 2 } else { 1 };
    best.filter(|_| !tied && slips_min <= allowed)
}

/// The replacement of a misspelt name, where it is certain which one is meant.
pub fn fix<'a>(span: Span, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<Fix> {
    certain(name, candidates).map(|right| Fix::replace(span, right))
}

/// `did you mean …? known …: a, b, c`, with at most twenty names.
pub fn help(name: &str, what: &str, candidates: &[&str]) -> String {
    let known = match candidates {
        [] => format!("{what}: none"),
        _ => format!("{what}: {}", listed(candidates)),
    };
    match nearest(name, candidates.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {known}"),
        None => known,
    }
}

/// Names in back quotes; the rest are counted.
pub fn listed(names: &[&str]) -> String {
    const SHOWN_MAX: usize = 20;
    let mut text = names.iter().take(SHOWN_MAX).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN_MAX {
        text.push_str(&format!(" and {} more", names.len() - SHOWN_MAX));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        assert_eq!(nearest("prot", ["port", "replicas"]), Some("port"));
        assert_eq!(nearest("mesaging", ["messaging", "search"]), Some("messaging"));
        assert_eq!(nearest("Replicas", ["port", "replicas"]), Some("replicas"));
        assert_eq!(nearest("zebra", ["port", "replicas"]), None);
        assert_eq!(nearest("", ["port"]), None);
    }

    #[test]
    fn only_a_lone_near_name_is_certain() {
        assert_eq!(certain("prot", ["port", "replicas"]), Some("port"));
        assert_eq!(certain("eu-d", ["eu-a", "eu-b"]), None);
        assert_eq!(certain("replcas", ["replicas", "replica-set"]), Some("replicas"));
        assert_eq!(certain("us", ["user"]), None);
        assert_eq!(certain("User", ["user", "users"]), Some("user"));
    }
}
