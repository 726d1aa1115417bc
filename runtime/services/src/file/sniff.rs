//! What bytes are, by how they begin. The client's word counts only where it is finer and harmless.
//!
//! Source of the signatures: WHATWG MIME Sniffing Standard, sections 6 and 7.1; `file`'s magic for the rest.

/// Bytes looked at.
pub(super) const SNIFF_BYTES_MAX: usize = 1_024;

/// Media type of what is not known.
pub(super) const UNKNOWN: &str = "application/octet-stream";
const TEXT: &str = "text/plain";
const ZIP: &str = "application/zip";

/// Offset, signature, media type; the first that fits counts.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBPVP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftyp", "video/mp4"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"\0\0\x01\0", "image/x-icon"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"OggS\0", "application/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"MZ", "application/vnd.microsoft.portable-executable"),
];

/// Tags by which a browser would take a text for HTML.
const HTML_TAGS: &[&str] = &[
    "<!doctype html",
    "<html",
    "<head",
    "<script",
    "<iframe",
    "<h1",
    "<div",
    "<font",
    "<table",
    "<a ",
    "<style",
    "<title",
    "<b>",
    "<body",
    "<br",
    "<p>",
    "<p ",
    "<!--",
    "<meta",
    "<img",
    "<form",
];

/// The media type of a file that begins with these bytes and was announced as `announced`.
pub(super) fn media_type(first: &[u8], announced: &str) -> String {
    let found = sniff(first);
    let announced = announced.to_ascii_lowercase();
    let finer = match found {
        // Office documents and books are ZIP archives.
        ZIP => {
            announced.starts_with("application/vnd.openxmlformats-officedocument.")
                || announced.starts_with("application/vnd.oasis.opendocument.")
                || announced == "application/epub+zip"
        }
        TEXT => ["text/csv", "text/markdown", "application/json"].contains(&announced.as_str()),
        "video/mp4" => ["audio/mp4", "video/quicktime"].contains(&announced.as_str()),
        "application/ogg" => ["audio/ogg", "video/ogg"].contains(&announced.as_str()),
        _ => false,
    };
    if finer { announced } else { found.to_owned() }
}

/// The media type under which bytes may be handed out: what a browser might run becomes plain bytes.
pub(super) fn harmless(media_type: &str) -> &str {
    let runs = ["text/html", "image/svg+xml", "application/xml", "text/xml", "application/xhtml+xml"];
    if runs.contains(&media_type) || media_type.contains("script") { UNKNOWN } else { media_type }
}

fn sniff(first: &[u8]) -> &'static str {
    let first = &first[..first.len().min(SNIFF_BYTES_MAX)];
    let fits = |(offset, signature, _): &&(usize, &[u8], &str)| {
        first.get(*offset..).is_some_and(|rest| rest.starts_with(signature))
    };
    if let Some((.., kind)) = SIGNATURES.iter().find(fits) {
        return kind;
    }
    let text = match std::str::from_utf8(first) {
        Ok(text) => text,
        // The last character may be cut in two by the bound.
        Err(cut) if cut.error_len().is_none() => std::str::from_utf8(&first[..cut.valid_up_to()]).unwrap_or_default(),
        Err(_) => return UNKNOWN,
    };
    if text.is_empty() || text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{1b}'))
    {
        return UNKNOWN;
    }
    let low = text.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    if low.contains("<svg") {
        "image/svg+xml"
    } else if HTML_TAGS.iter().any(|tag| low.starts_with(tag)) || low.contains("<html") || low.contains("<script") {
        "text/html"
    } else if low.starts_with("<?xml") {
        "application/xml"
    } else {
        TEXT
    }
}
