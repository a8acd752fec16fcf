//! How much of an import was read.

use std::cell::Cell;
use std::io::Read;

/// Most JSON of an import, unpacked. A zip that says less than it holds is read no further.
const UNPACKED_BYTES_MAX: u64 = 128 << 20;
/// Most JSON of one conversation.
const CONVERSATION_BYTES_MAX: u64 = 32 << 20;

/// Counts what is read, of an import and of one conversation.
#[derive(Default)]
pub(super) struct Meter {
    all: Cell<u64>,
    item: Cell<u64>,
}

impl Meter {
    /// From now on another conversation is read.
    pub(super) fn begin_item(&self) {
        self.item.set(0);
    }

    fn count(&self, bytes: usize) -> std::io::Result<()> {
        self.all.set(self.all.get() + bytes as u64);
        self.item.set(self.item.get() + bytes as u64);
        let over =
            |what: &str, most: u64| Err(std::io::Error::other(format!("{what} more than {most} bytes")));
        if self.all.get() > UNPACKED_BYTES_MAX {
            return over("the import unpacks to", UNPACKED_BYTES_MAX);
        }
        if self.item.get() > CONVERSATION_BYTES_MAX {
            return over("a conversation has", CONVERSATION_BYTES_MAX);
        }
        Ok(())
    }
}

/// A reader that is counted.
pub(super) struct Metered<'a, R> {
    pub(super) reader: R,
    pub(super) meter: &'a Meter,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.reader.read(buffer)?;
        self.meter.count(bytes)?;
        Ok(bytes)
    }
}
