//! Shapes and colours. Everything is in whole and half pixels, so that the text is the same on every machine.

use std::fmt::Write as _;

use archgen_spec::topology::{Component, Topology};

/// For a light or a dark page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// What a shape stands for; it decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Edge,
    Service,
    Program,
    Store,
    Log,
    Registry,
    Added,
    Removed,
    Changed,
    Plain,
}

impl Role {
    /// Line and fill.
    pub(super) fn colours(self, theme: Theme) -> (&'static str, &'static str) {
        let (light, dark) = match self {
            Self::Edge => (("#6d3fc0", "#f1eafc"), ("#b79bf0", "#2a2140")),
            Self::Service => (("#1f6fd0", "#e8f1fd"), ("#7db4f5", "#152a45")),
            Self::Program => (("#0b7d8c", "#e2f5f7"), ("#62cbd8", "#0f3238")),
            Self::Store => (("#a85b00", "#fdf1e0"), ("#f0b05a", "#3a2812")),
            Self::Log => (("#b3355f", "#fdeaf0"), ("#f08bad", "#3d1a27")),
            Self::Registry => (("#55606e", "#eef1f4"), ("#a9b4c2", "#252c35")),
            Self::Added => (("#1a7f37", "#dff5e4"), ("#56d364", "#12361d")),
            Self::Removed => (("#c0262d", "#fde5e6"), ("#ff8a85", "#42191b")),
            Self::Changed => (("#9a6700", "#fff4cf"), ("#e3b341", "#3a2f0c")),
            Self::Plain => (("#8a94a1", "#f6f8fa"), ("#76818e", "#1d232b")),
        };
        if theme == Theme::Light { light } else { dark }
    }

    /// Words for the legend.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Edge => "clients connect here",
            Self::Service => "service",
            Self::Program => "program of your own",
            Self::Store => "store",
            Self::Log => "event log",
            Self::Registry => "registry",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Plain => "unchanged",
        }
    }

    /// The role of a component.
    pub(super) fn of(topology: &Topology, component: Component) -> Self {
        use archgen_spec::topology::{ServiceKind, StoreKind};
        match component {
            Component::Registry => Self::Registry,
            Component::Gateway | Component::Realtime => Self::Edge,
            Component::Store(id) if topology.store(id).kind == StoreKind::Kafka => Self::Log,
            Component::Store(_) => Self::Store,
            Component::Service(id) if matches!(topology.service(id).kind, ServiceKind::Process { .. }) => Self::Program,
            Component::Service(_) => Self::Service,
        }
    }
}

/// How wide a character is, hundredths of its size: as in DejaVu Sans, the widest of the faces that are asked for, rounded up.
fn hundredths(c: char, weight: Weight) -> i64 {
    let (normal, bold) = match c {
        '\'' | 'i' | 'j' | 'l' | 'I' | 'J' | ' ' => (32, 37),
        ',' | '.' | '·' | ':' | ';' | '/' | '|' | '\\' | 'f' | '-' => (36, 44),
        '(' | ')' | '[' | ']' | 't' | '!' | 'r' | '"' => (46, 52),
        '_' | '`' | '*' | 'z' | 's' | 'c' | '?' => (55, 60),
        'w' | 'm' | 'M' | 'W' | '#' | '+' | '<' | '=' | '>' | '~' | '×' | '→' | '%' | '@' | '…' => (99, 110),
        'A'..='Z' | '&' => (79, 87),
        ' '..='~' => (64, 73),
        _ => (100, 110),
    };
    if weight == Weight::Bold { bold } else { normal }
}

/// The width of a text, pixels.
pub(super) fn width(text: &str, size: i64, weight: Weight) -> i64 {
    text.chars().map(|c| hundredths(c, weight)).sum::<i64>() * size / 100
}

/// The text cut to a width.
pub(super) fn cut(text: &str, size: i64, weight: Weight, width_max: i64) -> String {
    if width(text, size, weight) <= width_max {
        return text.to_owned();
    }
    let mut left = width_max * 100 / size - hundredths('…', weight);
    let fitting = text.chars().take_while(|c| {
        left -= hundredths(*c, weight);
        left >= 0
    });
    fitting.chain(['…']).collect()
}

/// A picture under construction.
pub(super) struct Canvas {
    theme: Theme,
    title: String,
    body: String,
    width: i64,
    height: i64,
}

/// Space around everything.
pub(super) const MARGIN: i64 = 32;
/// Space for title and legend.
pub(super) const HEADER: i64 = 92;

impl Canvas {
    /// An empty picture with its title and a legend.
    pub(super) fn new(theme: Theme, title: &str, subtitle: &str, legend: &[Role]) -> Self {
        let mut canvas = Self { theme, title: title.to_owned(), body: String::new(), width: 0, height: 0 };
        canvas.text(MARGIN, MARGIN + 14, title, 20, Weight::Bold, Anchor::Start);
        canvas.note(MARGIN, MARGIN + 36, subtitle);
        canvas.reach(MARGIN, MARGIN + HEADER);
        canvas.legend(legend.iter().map(|role| (*role, role.words())));
        canvas
    }

    /// What the colours stand for.
    pub(super) fn legend<'a>(&mut self, entries: impl Iterator<Item = (Role, &'a str)>) {
        let (mut x, y) = (MARGIN, MARGIN + 50);
        for (role, words) in entries {
            let (line, fill) = role.colours(self.theme);
            self.raw(&format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"14\" height=\"14\" rx=\"4\" fill=\"{fill}\" stroke=\"{line}\"/>"
            ));
            self.note(x + 20, y + 11, words);
            x += 20 + width(words, 12, Weight::Normal) + 20;
        }
        self.reach(x, y);
    }

    /// Makes room up to here.
    pub(super) fn reach(&mut self, x: i64, y: i64) {
        self.width = self.width.max(x + MARGIN);
        self.height = self.height.max(y + MARGIN);
    }

    /// Something ready.
    pub(super) fn raw(&mut self, text: &str) {
        self.body.push_str(text);
        self.body.push('\n');
    }

    fn ink(&self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self.theme {
            Theme::Light => ("#ffffff", "#1b2430", "#5a6675", "#c3cbd5"),
            Theme::Dark => ("#0f141a", "#e9eef4", "#9aa7b5", "#3a4552"),
        }
    }

    /// A line of text.
    pub(super) fn text(&mut self, x: i64, y: i64, text: &str, size: i64, weight: Weight, anchor: Anchor) {
        let (_, ink, ..) = self.ink();
        self.written(x, y, text, size, weight, anchor, ink);
    }

    /// A line of small, quiet text.
    pub(super) fn note(&mut self, x: i64, y: i64, text: &str) {
        let (_, _, quiet, _) = self.ink();
        self.written(x, y, text, 12, Weight::Normal, Anchor::Start, quiet);
    }

    #[expect(clippy::too_many_arguments, reason = "the attributes of one SVG element")]
    fn written(&mut self, x: i64, y: i64, text: &str, size: i64, weight: Weight, anchor: Anchor, ink: &str) {
        let weight = if weight == Weight::Bold { " font-weight=\"600\"" } else { "" };
        let anchor = if anchor == Anchor::Middle { " text-anchor=\"middle\"" } else { "" };
        let text = escaped(text);
        self.raw(&format!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{weight}{anchor} fill=\"{ink}\">{text}</text>"
        ));
        self.reach(x, y);
    }

    /// A box of a role with a name and a note; a store has the form of a drum.
    pub(super) fn card(&mut self, place: Place, role: Role, name: &str, note: &str, dashed: bool) {
        let (line, fill) = role.colours(self.theme);
        let Place { x, y, width, height } = place;
        let dash = if dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        self.raw(&format!(
            "<g><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"10\" fill=\"{fill}\" \
             stroke=\"{line}\" stroke-width=\"1.5\"{dash}/>",
            escaped(&format!("{name}: {note}"))
        ));
        self.raw(&format!(
            "<rect x=\"{x}\" y=\"{}\" width=\"4\" height=\"{}\" rx=\"2\" fill=\"{line}\"/></g>",
            y + 10,
            height - 20
        ));
        let name = cut(name, 14, Weight::Bold, width - 26);
        let note = cut(note, 12, Weight::Normal, width - 26);
        self.text(x + 15, y + height / 2 - 3, &name, 14, Weight::Bold, Anchor::Start);
        self.note(x + 15, y + height / 2 + 14, &note);
        self.reach(x + width, y + height);
    }

    /// A curve through points, left to right, with an arrow at its end.
    pub(super) fn curve(&mut self, points: &[(i64, i64)], role: Role, dashed: bool, strong: bool) {
        let Some((first, rest)) = points.split_first() else { return };
        let (line, _) = role.colours(self.theme);
        let mut path = format!("M{} {}", first.0, first.1);
        let mut from = *first;
        for to in rest {
            let half = (to.0 - from.0) / 2;
            let _ = write!(path, "C{} {} {} {} {} {}", from.0 + half, from.1, to.0 - half, to.1, to.0, to.1);
            from = *to;
        }
        let dash = if dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let (thick, opacity) = if strong { ("2", "0.9") } else { ("1.4", "0.55") };
        self.raw(&format!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{line}\" stroke-width=\"{thick}\" stroke-opacity=\"{opacity}\"{dash}/>"
        ));
        let (x, y) = from;
        self.raw(&format!("<path d=\"M{} {}l-8 -4v8z\" fill=\"{line}\" fill-opacity=\"{opacity}\"/>", x, y));
    }

    /// A plain rectangle.
    pub(super) fn block(&mut self, place: Place, role: Role, opacity: &str) {
        let (line, _) = role.colours(self.theme);
        let Place { x, y, width, height } = place;
        self.raw(&format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"3\" fill=\"{line}\" fill-opacity=\"{opacity}\"/>"
        ));
        self.reach(x + width, y + height);
    }

    /// A field behind other things, with a heading.
    pub(super) fn field(&mut self, place: Place, heading: &str) {
        let (_, _, _, faint) = self.ink();
        let Place { x, y, width, height } = place;
        self.raw(&format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"12\" fill=\"{faint}\" fill-opacity=\"0.16\" \
             stroke=\"{faint}\"/>"
        ));
        let heading = cut(heading, 13, Weight::Bold, width - 20);
        self.text(x + width / 2, y + 22, &heading, 13, Weight::Bold, Anchor::Middle);
        self.reach(x + width, y + height);
    }

    /// A thin line.
    pub(super) fn rule(&mut self, x: i64, y: i64, to: i64) {
        let (_, _, _, faint) = self.ink();
        self.raw(&format!("<line x1=\"{x}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\" stroke=\"{faint}\"/>"));
    }

    /// The picture's text.
    pub(super) fn finish(self) -> String {
        let (paper, ..) = self.ink();
        let Self { width, height, ref body, ref title, .. } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" font-family=\"Inter, 'Segoe UI', 'DejaVu Sans', sans-serif\">\n<title>{}</title>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"{paper}\"/>\n{body}</svg>\n",
            escaped(title)
        )
    }
}

/// Where a shape is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) width: i64,
    pub(super) height: i64,
}

/// Of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Normal,
    Bold,
}

/// Which end of a text its place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
}

/// Text as XML holds it; characters that XML has no place for are left out.
pub(crate) fn escaped(text: &str) -> String {
    // Most text is as it stands.
    if text.bytes().all(|b| (b' '..=b'~').contains(&b) && !b"&<>\"".contains(&b)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}
