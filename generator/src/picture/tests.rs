//! Pictures are well-formed and the same each time, whatever the names are; nothing lies over anything else.

use std::fmt::Write as _;

use archgen_spec::topology::Topology;

use super::canvas::{Weight, cut, escaped, width};
use super::layers::{Graph, layout};
use super::*;

fn topology(services: usize) -> Topology {
    let mut text = String::from("archgen: v1\nname: many\nzones: [a, b, c]\nservices:\n");
    for i in 0..services {
        let needs: Vec<String> = [i / 3, i / 7].iter().filter(|n| **n < i).map(|n| format!("s{n}")).collect();
        let (port, needs) = (2_000 + i, needs.join(", "));
        let _ =
            writeln!(text, "  s{i}: {{ kind: process, command: [./s], port: {port}, replicas: 3, needs: [{needs}] }}");
    }
    let none = |_: &str| Err(archgen_spec::ReadError::Missing);
    let loaded = archgen_spec::load("t.yaml", text, None, &none, &|_| None);
    loaded.topology.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

#[test]
fn two_hundred_services_give_the_same_picture_each_time() {
    let topology = topology(200);
    for (name, view) in View::ALL {
        for theme in [Theme::Light, Theme::Dark] {
            let text = picture(&topology, view, theme);
            assert_eq!(text, picture(&topology, view, theme), "{name}");
            assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"), "{name}");
            assert_eq!(text.matches("<g>").count(), text.matches("</g>").count(), "{name}");
        }
    }
    assert!(picture(&topology, View::Logical, Theme::Light).contains(">s199<"));
}

/// The lowest place that an arrow of a picture passes.
fn lowest(svg: &str) -> i64 {
    let paths = svg.split("<path d=\"M").skip(1).filter_map(|rest| rest.split('"').next());
    // "x y", then curves of three points.
    let numbers = paths.flat_map(|path| path.split(['C', ' ']).skip(1).step_by(2));
    numbers.filter_map(|y| y.parse().ok()).max().unwrap_or(0)
}

#[test]
fn an_arrow_below_every_box_is_in_the_picture() {
    // A long way past one box in the middle, that of the only other one.
    let mut text = String::from("archgen: v1\nname: long\nservices:\n");
    for i in 0..30 {
        let needs: Vec<String> = [i + 1, i + 5, i + 9].iter().filter(|n| **n < 30).map(|n| format!("s{n}")).collect();
        let _ = writeln!(
            text,
            "  s{i}: {{ kind: process, command: [./s], port: {}, needs: [{}] }}",
            2_000 + i,
            needs.join(", ")
        );
    }
    let none = |_: &str| Err(archgen_spec::ReadError::Missing);
    let topology = archgen_spec::load("t.yaml", text, None, &none, &|_| None).topology.expect("a system");
    let svg = picture(&topology, View::Logical, Theme::Light);
    let height: i64 = svg.split(" height=\"").nth(1).and_then(|h| h.split('"').next()?.parse().ok()).expect("a height");
    assert!(lowest(&svg) > 0 && lowest(&svg) < height, "{} of {height}", lowest(&svg));
}

#[test]
fn boxes_of_a_layer_do_not_touch() {
    let edges: Vec<(usize, usize)> = (1..400).map(|v| (v / 2, v)).collect();
    let mut layer = vec![0; 400];
    for (from, to) in &edges {
        layer[*to] = layer[*from] + 1;
    }
    let placed = layout(&Graph { layer: layer.clone(), edges, height: 50, gap: 10 });
    for level in 0..=*layer.iter().max().expect("a layer") {
        let mut here: Vec<i64> = (0..400).filter(|v| layer[*v] == level).map(|v| placed.y[v]).collect();
        here.sort_unstable();
        assert!(here.windows(2).all(|pair| pair[1] - pair[0] >= 60), "layer {level}: {here:?}");
    }
}

#[test]
fn a_difference_shows_what_came_and_went() {
    let text = difference(&topology(5), &topology(8), Theme::Light);
    assert!(text.contains(">s7<") && text.contains("added"), "{text}");
    let mut more = topology(5);
    more.services[1].replicas = 4;
    let text = difference(&topology(5), &more, Theme::Light);
    assert!(text.contains(">service · ×3 → ×4 · :2001<"), "{text}");
}

#[test]
fn odd_text_is_harmless() {
    assert_eq!(escaped("a<b>&\"\u{1}"), "a&lt;b&gt;&amp;&quot;");
    for long in ["w".repeat(90), "i".repeat(90), "a-name-of-many-parts".repeat(3), "漢".repeat(50)] {
        for weight in [Weight::Normal, Weight::Bold] {
            let short = cut(&long, 14, weight, 100);
            assert!(width(&short, 14, weight) <= 100 && short.ends_with('…') && short.chars().count() > 2, "{short}");
        }
    }
    assert_eq!(cut("short", 14, Weight::Bold, 100), "short");
}
