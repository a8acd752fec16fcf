//! Files that are ZIP archives inside. Nothing is unpacked but the parts that
//! are read, as they are read, and no more of them than a file may hold.

use std::cell::Cell;
use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::rc::Rc;

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::Refused;

/// How a ZIP archive begins.
pub(super) const ZIP: &[u8] = b"PK\x03\x04";
/// How a file of the old office formats begins, and one that Office encrypted.
pub(super) const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// The part such a file keeps its encrypted content in, as its directory names it.
const ENCRYPTED: &str = "EncryptedPackage";

/// What points to the directory of a zip64. Opening such a one takes the memory
/// that it says it needs; without, there are at most 65,535 entries.
const ZIP64: &[u8] = b"PK\x06\x07";
/// As near to the end it stands: before the end's record and its longest comment.
const END_BYTES_MAX: usize = 66_000;
/// Most entries.
const ENTRIES_MAX: usize = 10_000;
/// Most bytes that are unpacked, of all parts together.
const UNPACKED_BYTES_MAX: u64 = 256 << 20;
/// Most bytes of a text or tag between two others.
const ITEM_BYTES_MAX: u64 = 32 << 20;
/// Largest part that is taken as a whole.
const WHOLE_BYTES_MAX: u64 = 32 << 20;

/// An archive, and how much of it was unpacked.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    meter: Rc<Meter>,
}

impl<'a> Archive<'a> {
    /// Looks at the directory of a file that calls itself `kind`.
    pub(super) fn open(bytes: &'a [u8], kind: &str) -> Result<Self, Refused> {
        if bytes.starts_with(COMPOUND) {
            return Err(compound(bytes, kind));
        }
        if !bytes.starts_with(ZIP) {
            return Err(Refused::because(format!("the file is no {kind}: it does not begin like one")));
        }
        let end = &bytes[bytes.len().saturating_sub(END_BYTES_MAX)..];
        if end.windows(ZIP64.len()).any(|window| window == ZIP64) {
            return Err(Refused::because(format!("the {kind} is packed as a zip64, for files beyond 4 GB")));
        }
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
        if zip.len() > ENTRIES_MAX {
            return Err(Refused::because(format!("the {kind} holds more than {ENTRIES_MAX} parts")));
        }
        let leads_out = |name: &[u8]| {
            name.starts_with(b"/")
                || name.split(|byte| matches!(byte, b'/' | b'\\')).any(|step| step == b"..")
        };
        if let Some(name) = zip.file_names_raw().find(|name| leads_out(name)) {
            let name: String = String::from_utf8_lossy(name).chars().take(100).collect();
            return Err(Refused::because(format!(
                "the {kind} has a part whose name leads outside: {name:?}"
            )));
        }
        Ok(Self { zip, meter: Rc::default() })
    }

    /// Whether there is a part of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// A part from its beginning; none if there is no such.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<Part<'_, 'a>>, Refused> {
        let meter = Rc::clone(&self.meter);
        match self.zip.by_name(name) {
            Ok(file) => Ok(Some(BufReader::new(Metered { file, meter }))),
            Err(ZipError::FileNotFound) => Ok(None),
            Err(error) => Err(damaged(&error)),
        }
    }

    /// A part as a whole; none if there is no such.
    pub(super) fn whole(&mut self, name: &str) -> Result<Option<Vec<u8>>, Refused> {
        self.meter.begin_item();
        let Some(part) = self.part(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = part.take(WHOLE_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|error| broken(name, &error))?;
        if bytes.len() as u64 > WHOLE_BYTES_MAX {
            return Err(Refused::because(format!(
                "unpacked, {name} has more than {} MB",
                WHOLE_BYTES_MAX >> 20
            )));
        }
        Ok(Some(bytes))
    }

    /// What counts the bytes that are unpacked.
    pub(super) fn meter(&self) -> Rc<Meter> {
        Rc::clone(&self.meter)
    }
}

/// What reads a part.
pub(super) type Part<'z, 'a> = BufReader<Metered<ZipFile<'z, Cursor<&'a [u8]>>>>;

/// Why a part cannot be read on. What the meter says is a sentence already.
pub(super) fn broken(name: &str, error: &io::Error) -> Refused {
    if error.kind() == ErrorKind::FileTooLarge {
        return Refused::because(error.to_string());
    }
    Refused::because(format!("the file is damaged: {name} cannot be unpacked: {error}"))
}

fn damaged(error: &ZipError) -> Refused {
    if matches!(error, ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) {
        return Refused::because("the file is protected by a password; send it without one");
    }
    Refused::because(format!("the file is damaged: {error}"))
}

fn compound(bytes: &[u8], kind: &str) -> Refused {
    let name: Vec<u8> = ENCRYPTED.encode_utf16().flat_map(u16::to_le_bytes).collect();
    if bytes.windows(name.len()).any(|window| window == name) {
        return Refused::because("the file is protected by a password; send it without one");
    }
    Refused::because(format!("the file is no {kind} but one of Office's old formats; save it as {kind}"))
}

/// Counts what is unpacked: of all parts, and since the last text or tag.
#[derive(Debug, Default)]
pub(super) struct Meter {
    all: Cell<u64>,
    item: Cell<u64>,
}

impl Meter {
    pub(super) fn begin_item(&self) {
        self.item.set(0);
    }

    fn count(&self, bytes: usize) -> io::Result<()> {
        self.all.set(self.all.get() + bytes as u64);
        self.item.set(self.item.get() + bytes as u64);
        let over = |what: &str, most: u64| {
            let sentence = format!("{what} has more than {} MB", most >> 20);
            Err(io::Error::new(ErrorKind::FileTooLarge, sentence))
        };
        if self.all.get() > UNPACKED_BYTES_MAX {
            return over("unpacked, the file", UNPACKED_BYTES_MAX);
        }
        if self.item.get() > ITEM_BYTES_MAX {
            return over("unpacked, a single text of the file", ITEM_BYTES_MAX);
        }
        Ok(())
    }
}

/// A reader that is counted.
pub(super) struct Metered<R> {
    file: R,
    meter: Rc<Meter>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.meter.count(bytes)?;
        Ok(bytes)
    }
}
