//! Where the frames of a WebSocket begin (RFC 6455 §5.2), so that a Close frame can be put between two of them.

/// Follows one direction of a connection without keeping or changing what goes by.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; 10],
    have: usize,
    /// Bytes of the current frame still to come, its mask included.
    left: u64,
}

impl Frames {
    /// True between two frames.
    pub(super) fn at_boundary(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    /// Takes note of `bytes`. With `stop`, only as far as the next boundary; gives the number of bytes noted.
    pub(super) fn advance(&mut self, bytes: &[u8], stop: bool) -> usize {
        let mut at = 0;
        while at < bytes.len() && !(stop && self.at_boundary()) {
            if self.left > 0 {
                let step = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.left -= step as u64;
                at += step;
                continue;
            }
            if let (Some(place), Some(byte)) = (self.head.get_mut(self.have), bytes.get(at)) {
                *place = *byte;
            }
            self.have += 1;
            at += 1;
            if let Some(length) = self.length() {
                self.have = 0;
                self.left = length;
            }
        }
        at
    }

    /// Length of mask and payload, once the head is complete.
    fn length(&self) -> Option<u64> {
        let [_, second, extended @ ..] = self.head;
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let payload = match (second & 0x7f, self.have) {
            (126, 4..) => u64::from(u16::from_be_bytes([extended[0], extended[1]])),
            (127, 10..) => u64::from_be_bytes(extended),
            (126 | 127, _) | (_, ..=1) => return None,
            (length, _) => u64::from(length),
        };
        Some(payload.saturating_add(mask))
    }
}

/// Close, code 1001 (going away), as a server sends it.
pub(super) const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];

/// The same as a client must send it: masked (RFC 6455 §5.3). The mask need not be a secret here: it exists to keep pages from
/// choosing the bytes on the wire, and these bytes are ours.
pub(super) const GOING_AWAY_MASKED: [u8; 8] = [0x88, 0x82, 0x54, 0x69, 0x64, 0x65, 0x03 ^ 0x54, 0xe9 ^ 0x69];

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut bytes = vec![0x82];
        match length {
            0..=125 => bytes.push(mask | length as u8),
            126..=65535 => {
                bytes.push(mask | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(std::iter::repeat_n(0x7f, length + if masked { 4 } else { 0 }));
        bytes
    }

    #[test]
    fn boundaries_are_found_however_the_bytes_are_cut() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            for masked in [false, true] {
                let bytes = frame(length, masked);
                for cut in [1, 2, 3, 7, 1000] {
                    let mut frames = Frames::default();
                    let mut seen = 0;
                    for part in bytes.chunks(cut) {
                        assert_eq!(seen == 0, frames.at_boundary(), "{length} {masked} {cut} {seen}");
                        seen += frames.advance(part, false);
                    }
                    assert!(frames.at_boundary(), "{length} {masked} {cut}");
                }
            }
        }
    }

    #[test]
    fn stops_at_the_boundary() {
        let mut both = frame(10, false);
        let first = both.len();
        both.extend(frame(20, false));
        let mut frames = Frames::default();
        assert_eq!(frames.advance(&both[..5], false), 5);
        assert_eq!(frames.advance(&both[5..], true), first - 5);
        assert!(frames.at_boundary());
    }

    #[test]
    fn the_masked_goodbye_says_the_same() {
        let [_, _, mask @ .., a, b] = GOING_AWAY_MASKED;
        assert_eq!([a ^ mask[0], b ^ mask[1]], 1001_u16.to_be_bytes());
        assert_eq!(GOING_AWAY[2..], 1001_u16.to_be_bytes());
    }
}
