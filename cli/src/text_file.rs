//! A text file whole: bounded, and nothing but a text file. Both programs read specs through it.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use archgen_spec::ReadError;

/// More than the spec crate accepts, by more than one character, so that it can say so; bytes.
const FILE_BYTES_MAX: u64 = archgen_spec::source::FILE_BYTES_MAX as u64 + 8;

/// The text of an overlay.
///
/// # Errors
/// There is none, or it is no text.
pub fn overlay(path: &Path) -> Result<String, ReadError> {
    read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ReadError::Missing,
        _ => ReadError::Other(error.to_string()),
    })
}

/// Reads a regular file. Anything else is refused before it could make anyone wait: a pipe is opened without waiting for its writer.
///
/// # Errors
/// There is none, or it is something else.
pub fn read(path: &Path) -> io::Result<String> {
    let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let kind = file.metadata()?.file_type();
    let refused = match () {
        () if kind.is_file() => return whole(file),
        () if kind.is_dir() => "it is a folder: name the file in it, such as `topology.yaml`",
        () if kind.is_fifo() => "it is a pipe: name `-` and send the spec to standard input",
        () => "it is no file: name a text file, or `-` for standard input",
    };
    Err(io::Error::other(refused))
}

/// The rest of a stream as text.
///
/// # Errors
/// It is no UTF-8 text.
pub fn whole(reader: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    reader.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).or_else(|error| {
        let (sound, wrong) = (error.utf8_error().valid_up_to(), error.utf8_error().error_len());
        let bytes = error.into_bytes();
        // The cut may fall inside a character; what is left is still more than a spec may have.
        if wrong.is_none() && bytes.len() as u64 == FILE_BYTES_MAX {
            return Ok(String::from_utf8_lossy(&bytes[..sound]).into_owned());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, not_text(&bytes, sound)))
    })
}

/// Why bytes are no UTF-8 text, and what to do: `sound` of them are.
fn not_text(bytes: &[u8], sound: usize) -> String {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return "it is UTF-16: save it as UTF-8".to_owned();
    }
    let line = 1 + bytes[..sound].iter().filter(|b| **b == b'\n').count();
    let wrong = bytes.get(sound).copied().unwrap_or_default();
    format!("it is not UTF-8 text (byte 0x{wrong:02X} in line {line}): save it as UTF-8")
}
