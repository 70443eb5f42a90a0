//! Lines of the append-only file that are no commands.

/// A position in the history of a data set. As the last line of the file it says that the data set is what
/// it was there: who has come as far can go on from it. Whoever does not know such lines leaves them out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicationPosition {
    pub replid: String,
    pub offset: u64,
    /// The database that the stream was at.
    pub db: usize,
}

impl ReplicationPosition {
    const MARK: &'static str = "#HISTORY:";

    pub fn to_line(&self) -> String {
        format!("{}{}:{}:{}\r\n", Self::MARK, self.replid, self.offset, self.db)
    }

    /// Of a line without its end.
    pub fn parse(line: &[u8]) -> Option<ReplicationPosition> {
        let mut fields = std::str::from_utf8(line).ok()?.strip_prefix(Self::MARK)?.split(':');
        let replid = fields.next().filter(|replid| replid.len() == 40)?.to_owned();
        let offset = fields.next()?.parse::<i64>().ok()?.try_into().ok()?;
        let position = ReplicationPosition { replid, offset, db: fields.next()?.parse().ok()? };
        fields.next().is_none().then_some(position)
    }
}

/// A line that says when the commands after it were run.
pub fn time_note(unix_s: i64) -> String {
    format!("#TS:{unix_s}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written() {
        let position = ReplicationPosition { replid: "0123456789".repeat(4), offset: i64::MAX as u64, db: 15 };
        let line = position.to_line();
        let line = line.trim_end();
        assert_eq!(ReplicationPosition::parse(line.as_bytes()), Some(position));
        for wrong in ["#TS:1", &line[..60], &format!("{line}:"), &line.replace("HISTORY:0", "HISTORY:")] {
            assert_eq!(ReplicationPosition::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
