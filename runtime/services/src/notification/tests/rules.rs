//! Who is notified, and the ids by which it is remembered.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::logic::{Created, Reason, decide, item_id, place};

fn created(author: &str, mentions: &[&str]) -> Created {
    let mentions = mentions.iter().map(|user| (*user).to_owned()).collect();
    let keywords = Vec::new();
    Created {
        id: "9".to_owned(),
        channel: "5".to_owned(),
        author: author.to_owned(),
        mentions,
        keywords,
        everyone: None,
    }
}

fn set(users: &[&str]) -> BTreeSet<String> {
    users.iter().map(|user| (*user).to_owned()).collect()
}

#[test]
fn mentioned_members_are_notified_and_others_have_a_reason() {
    let decided = decide(&created("ada", &["bob", "eve", "ada"]), &set(&["ada", "bob", "cy"]), false);
    let expected = [("ada", Reason::Author), ("bob", Reason::Mention), ("eve", Reason::NotMember)];
    assert_eq!(decided, expected.map(|(user, reason)| (user.to_owned(), reason)).into());
}

#[test]
fn a_direct_message_notifies_everybody_but_its_author() {
    let decided = decide(&created("ada", &["bob"]), &set(&["ada", "bob", "cy"]), true);
    let expected = [("bob", Reason::Mention), ("cy", Reason::DirectMessage)];
    assert_eq!(decided, expected.map(|(user, reason)| (user.to_owned(), reason)).into());
}

#[test]
fn event_ids_name_a_place() {
    assert_eq!(place("12:3"), Some(("12", 3)));
    for wrong in ["", "12", "12:", ":3", "a:3", "12:0", "12:-1", "../x:1", "12:3:4", "1:99999999999999999999999"] {
        assert_eq!(place(wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn only_members_are_notified_and_every_mention_is_decided(
        author in "[a-e]", mentions in proptest::collection::vec("[a-h]", 0..8),
        members in proptest::collection::btree_set("[a-f]", 0..6), direct: bool,
    ) {
        let mentions: Vec<&str> = mentions.iter().map(String::as_str).collect();
        let decided = decide(&created(&author, &mentions), &members, direct);
        for (user, reason) in &decided {
            prop_assert!(!reason.notifies() || (members.contains(user) && *user != author));
        }
        prop_assert!(mentions.iter().all(|user| decided.contains_key(*user)));
        if direct {
            prop_assert!(members.iter().all(|user| *user == author || decided.contains_key(user)));
        }
    }

    #[test]
    fn item_ids_sort_by_time(a in 0u64..1_000_000_000_000_000, b in 0u64..1_000_000_000_000_000) {
        prop_assert_eq!(item_id(a, "1:1").cmp(&item_id(b, "1:1")), a.cmp(&b));
    }
}
