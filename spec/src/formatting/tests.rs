//! What changes, what stays.

use super::{FormatError, formatted};

fn check(text: &str, expect: &str) {
    let once = formatted(text, "a.yaml").unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(once, expect);
    assert_eq!(formatted(&once, "a.yaml").ok().as_deref(), Some(expect), "twice");
}

#[test]
fn keys_take_the_order_of_the_language_and_names_keep_theirs() {
    check(
        "name: a\narchgen: v1\nservices:\n    user: {needs: [b,a] ,port: 1}\n    alpha:\n        port: 2\n        kind: process\n",
        "archgen: v1\nname: a\nservices:\n  user: { port: 1, needs: [b, a] }\n  alpha:\n    kind: process\n    port: 2\n",
    );
}

#[test]
fn empty_lines_part_what_they_parted() {
    check("gateway: {}\n\nload: {}\nname: a\n", "name: a\n\nload: {}\n\ngateway: {}\n");
    check("name: a\n\n\n\nload: {}\n\n", "name: a\n\nload: {}\n");
}

#[test]
fn comments_go_where_their_keys_go() {
    check(
        "# the file\n\n# more of it\nname: a # the name\n# the language\narchgen: v1\nservices: # all\n  # about user\n  user:\n    port: 1\n    # needs: [x]\n  # about b\n\n  # and more\n  b: { port: 2 }     # far\n# end\n",
        "# the file\n\n# more of it\n# the language\narchgen: v1\nname: a  # the name\nservices:  # all\n  # about user\n  user:\n    port: 1\n    # needs: [x]\n  # about b\n\n  # and more\n  b: { port: 2 }     # far\n# end\n",
    );
}

#[test]
fn values_stay_as_they_are_written() {
    check(
        "archgen: v1\nname:   'a'\nvars:\n    b: \"x # y\"\n    c: |\n        two\n          lines\n    d: >-  # | folded\n        folded\n        text\n    e: plain\n      text\n    f:\n    g: # here\n       on the next line\n    h: !add |2\n        x\n",
        "archgen: v1\nname: 'a'\nvars:\n  b: \"x # y\"\n  c: |\n      two\n        lines\n  d: >-  # | folded\n      folded\n      text\n  e: plain\n    text\n  f:\n  g: on the next line  # here\n  h: !add |2\n      x\n",
    );
}

#[test]
fn lists_and_brackets() {
    check(
        "sim:\n  faults:\n  - {p: 0.1, kind: crash , on: a}\n  -   on: b\n      # how\n      kind: pause\n  - kind: x   # c\n  invariants: [ a ,\n     b]\nzones: []\nvars: {}\n",
        "vars: {}\nzones: []\nsim:\n  faults:\n    - { kind: crash, on: a, p: 0.1 }\n    # how\n    - kind: pause\n      on: b\n    - kind: x  # c\n  invariants: [a, b]\n",
    );
    let long = "abcdefghij".repeat(6);
    check(&format!("zones: [{long},\n  {long}]\n"), &format!("zones: [\n  {long},\n  {long},\n]\n"));
    check("zones: [a, # one\n   b]\n", "zones: [a, # one\n   b]\n");
}

#[test]
fn comments_between_a_dash_and_its_list() {
    check("-  # x\n - !unset \n\n  1", "-  # x\n  - !unset 1\n");
    check("-\n  - [1, 2]\n  -   - 3\n", "-\n  - [1, 2]\n  -\n    - 3\n");
    check("-\n  # y\n  # z - w\n  - a\n", "-\n  # y\n  # z - w\n  - a\n");
}

#[test]
fn overlays_keep_their_tags() {
    check(
        "stores:\n    a: !add {kind: redis}\n    b: !unset\n    c: !replace\n      kind:  s3\ngateway: {tls: !unset, port: 1}\n",
        "gateway: { port: 1, tls: !unset }\nstores:\n  a: !add { kind: redis }\n  b: !unset\n  c: !replace\n    kind: s3\n",
    );
}

#[test]
fn line_ends_stay_and_marks_go() {
    check("\u{feff}archgen: v1\r\n\r\n\r\nname:  \u{e9}\r\n", "archgen: v1\r\n\r\nname: \u{e9}\r\n");
    check("---\narchgen: v1\n...\n", "archgen: v1\n");
    check("# nothing\n\n\n", "# nothing\n");
    check("", "");
}

#[test]
fn what_is_faulty_is_left_alone() {
    for text in ["a: [1\n", "a: 1\na: 2\n", "a: &x 1\nb: *x\n", "a: \0\n", "- a\n b\n: c\n"] {
        assert!(matches!(formatted(text, "a.yaml"), Err(FormatError::Faulty(..))), "{text}");
    }
}
