//! A page of a channel's messages, walked together from reads of its log. Pure: entries come in, the next read or the page comes
//! out. Entries that are no messages (edits, who came and left) take no place on a page, so a page may need several reads.

use archgen_ports::messages::{LogEntry, Range};

use super::kinds::CREATED;

/// Reads for one page; a page that is not full by then says where to go on.
const READS_MAX: usize = 16;
/// Contents of one page, bytes of JSON; one message always fits.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// A walk through a log for one page.
#[derive(Debug)]
pub(super) struct Walk {
    range: Range,
    limit: usize,
    reads: usize,
    bytes: usize,
    /// Messages in the order of the walk.
    found: Vec<LogEntry>,
    /// The last entry walked over.
    edge: Option<u64>,
}

/// A page: ascending messages, and the `seq` to go on from in the direction of the walk.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    pub(super) messages: Vec<LogEntry>,
    pub(super) next: Option<u64>,
}

impl Walk {
    /// A walk for at most `limit` messages of this range.
    pub(super) fn new(range: Range, limit: usize) -> Self {
        Self { range, limit: limit.max(1), reads: 0, bytes: 0, found: Vec::new(), edge: None }
    }

    /// What to read now: the range, and how many entries. One more than fits tells whether anything follows.
    pub(super) fn read(&self) -> (Range, usize) {
        (self.range, self.limit + 1)
    }

    fn is_forward(&self) -> bool {
        matches!(self.range, Range::After(_))
    }

    /// Takes in what was read (it may be fewer entries than there are, but none only at the end). `true` once the page is done.
    pub(super) fn take(&mut self, mut entries: Vec<LogEntry>) -> bool {
        self.reads += 1;
        if entries.is_empty() {
            self.edge = None;
            return true;
        }
        if !self.is_forward() {
            entries.reverse();
        }
        for entry in entries {
            let is_message = entry.kind == CREATED;
            let bytes = if is_message { entry.data.to_string().len() } else { 0 };
            let is_full = self.found.len() == self.limit || self.bytes + bytes > PAGE_BYTES_MAX;
            if is_full && !self.found.is_empty() {
                return true;
            }
            self.edge = Some(entry.position.seq);
            self.bytes += bytes;
            if is_message {
                self.found.push(entry);
            }
        }
        match self.edge {
            Some(edge) if self.is_forward() => self.range = Range::After(edge),
            // Nothing is before the first entry.
            Some(1) | None => {
                self.edge = None;
                return true;
            }
            Some(edge) => self.range = Range::Before(edge),
        }
        self.reads >= READS_MAX
    }

    /// The page.
    pub(super) fn page(mut self) -> Page {
        if !self.is_forward() {
            self.found.reverse();
        }
        Page { messages: self.found, next: self.edge }
    }
}
