//! What the server sends to one client, looked at as it leaves: no data goes out before it was announced.

/// The lines of the control connection, and how many data connections they have announced.
#[derive(Default)]
pub(crate) struct Watch {
    line: Vec<u8>,
    announced: bool,
    pub(crate) violations: u32,
}

impl Watch {
    pub(crate) fn control(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.line.push(*byte);
            if *byte == b'\n' {
                self.line_ends();
            }
        }
    }

    /// The first bytes leave on a data connection.
    pub(crate) fn data_begins(&mut self) {
        self.violations += u32::from(!std::mem::take(&mut self.announced));
    }

    fn line_ends(&mut self) {
        let line = std::mem::take(&mut self.line);
        match line.get(..4) {
            Some(b"150 " | b"125 ") => self.announced = true,
            Some(b"226 " | b"425 " | b"426 " | b"451 " | b"452 " | b"220 ") => self.announced = false,
            _ => {}
        }
    }
}
