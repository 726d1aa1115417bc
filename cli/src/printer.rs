//! The printer: data to standard output, everything else to standard error, colour on a terminal only. A closed pipe is the
//! reader's choice, so failed writes are not errors.

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};

/// Foreground colours of host names, ANSI codes, taken in turn.
const HOST_COLORS: [u8; 10] = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];

/// Prints.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    color_out: bool,
    color_notes: bool,
}

impl Printer {
    /// The printer of this process.
    pub fn new() -> Self {
        let wanted = wants_color(std::env::var_os("NO_COLOR").as_deref(), std::env::var_os("TERM").as_deref());
        Self { color_out: wanted && io::stdout().is_terminal(), color_notes: wanted && io::stderr().is_terminal() }
    }

    /// Whether notes may carry colour.
    pub fn color_notes(self) -> bool {
        self.color_notes
    }

    /// Columns of the terminal that shows notes; `None` where it is none.
    pub fn columns(self) -> Option<usize> {
        if !io::stderr().is_terminal() {
            return None;
        }
        terminal_size::terminal_size_of(io::stderr()).map(|(width, _)| usize::from(width.0))
    }

    /// Data: what a script reads. Printed as it is.
    pub fn data(self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
    }

    /// A note for people, one or more lines.
    pub fn note(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", text.trim_end_matches('\n'));
    }

    /// A warning.
    pub fn warning(self, text: &str) {
        let label = if self.color_notes { "\x1b[1;33mwarning\x1b[0m" } else { "warning" };
        self.note(&format!("{label}: {text}"));
    }

    /// An error.
    pub fn error(self, text: &str) {
        let label = if self.color_notes { "\x1b[1;31merror\x1b[0m" } else { "error" };
        self.note(&format!("{label}: {text}"));
    }

    /// One line of a host's log, behind its name padded to `width` columns.
    pub fn log(self, host: &str, width: usize, line: &str) {
        let prefix = if self.color_out {
            format!("\x1b[{}m{host:>width$}\x1b[0m", color_of(host))
        } else {
            format!("{host:>width$}")
        };
        let line = if self.color_out { line.to_owned() } else { plain(line) };
        let _ = writeln!(io::stdout().lock(), "{prefix} | {line}");
    }
}

/// Whether the environment leaves colour to us: https://no-color.org, and terminals that know none.
fn wants_color(no_color: Option<&OsStr>, terminal: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty) && terminal.is_none_or(|name| name != "dumb")
}

/// The same name has the same colour in every run (FNV-1a).
fn color_of(host: &str) -> u8 {
    let hash = host.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    HOST_COLORS[(hash % HOST_COLORS.len() as u64) as usize]
}

/// The text without ANSI escape sequences and other control characters, so that a log line cannot drive a terminal or a file.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\x1b' {
            if characters.next_if_eq(&'[').is_some() {
                while characters.next_if(|c| !('\x40'..='\x7e').contains(c)).is_some() {}
                characters.next();
            }
        } else if !c.is_control() || c == '\t' {
            out.push(c);
        }
    }
    out
}

/// Rows as columns two spaces apart, the first row being the heading.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|c| rows.iter().filter_map(|r| r.get(c)).map(|t| t.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, &width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_can_refuse_colour() {
        let os = |text: &'static str| Some(OsStr::new(text));
        assert!(wants_color(None, os("xterm")) && wants_color(os(""), None));
        assert!(!wants_color(os("1"), os("xterm")) && !wants_color(None, os("dumb")));
    }

    #[test]
    fn log_lines_cannot_drive_a_terminal() {
        assert_eq!(plain("\x1b[31mred\x1b[0m \x1b]0;title\x07 a\tb\r"), "red ]0;title a\tb");
    }

    #[test]
    fn columns_are_aligned_and_lines_end_clean() {
        let rows = [vec!["host".to_owned(), "state".to_owned()], vec!["gateway-1".to_owned(), String::new()]];
        assert_eq!(table(&rows), "host       state\ngateway-1\n");
    }
}
