//! files-intact: a file whose upload was completed reads back with the bytes that were sent.

use super::Report;
use crate::history::History;

pub(super) fn check(history: &History) -> Report {
    let mut report = Report::default();
    for file in &history.files {
        report.checked += 1;
        match &file.found {
            Some(found) if *found == file.sent => {}
            Some(found) => report.breaches.push(format!(
                "file {} of {} was completed at {:.2} s with content {}, and reads back as {found}",
                file.id,
                file.person,
                file.done.as_secs_f64(),
                file.sent
            )),
            None => report.breaches.push(format!(
                "file {} of {} was completed at {:.2} s and cannot be read",
                file.id,
                file.person,
                file.done.as_secs_f64()
            )),
        }
    }
    report
}
