//! The inputs that are lists: a record a line, its fields apart by commas (RFC 4180, with comments).

use super::fault::{Fault, Place, Wrong};

/// A record of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Where it begins.
    pub(super) place: Place,
    /// Its fields, none of which is empty.
    pub(super) fields: Vec<String>,
}

/// The records of an input. A line that begins with `#` is a comment. A field that begins with a quote ends with one; a quote in it is
/// written twice. Commas in `{{…}}` do not end a field.
///
/// # Errors
/// When a quote is not closed, or something follows a closed one.
pub(super) fn records(input: &'static str, text: &str) -> Result<Vec<Record>, Fault> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader { input, rest: &text, line: 1 };
    let mut all = Vec::new();
    while reader.next_record() {
        let (place, mut fields) = (reader.place(), Vec::new());
        loop {
            let (field, is_last) = reader.field()?;
            if !field.trim().is_empty() {
                fields.push(field.trim().to_owned());
            }
            if is_last {
                break;
            }
        }
        if !fields.is_empty() {
            all.push(Record { place, fields });
        }
    }
    Ok(all)
}

/// The lines of an input whose commas have no meaning. A line that begins with a quote may go on over several lines.
///
/// # Errors
/// As for [`records`].
pub(super) fn lines(input: &'static str, text: &str) -> Result<Vec<(Place, String)>, Fault> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader { input, rest: &text, line: 1 };
    let mut all = Vec::new();
    while reader.next_record() {
        let place = reader.place();
        let line = if reader.rest.starts_with('"') {
            let quoted = reader.quoted()?;
            if !reader.ends_record() {
                return Err(trailing().at(place));
            }
            quoted
        } else {
            let end = reader.rest.find('\n').unwrap_or(reader.rest.len());
            reader.take(end).trim().to_owned()
        };
        all.push((place, line));
    }
    Ok(all)
}

/// The entries of an input, a line each: what is in a line, with its commas, is the entry's own.
///
/// # Errors
/// When a quote is not closed, or something follows a closed one.
pub fn entries(input: &'static str, text: &str) -> Result<Vec<String>, Fault> {
    Ok(lines(input, text)?.into_iter().map(|(_, line)| line).filter(|line| !line.is_empty()).collect())
}

/// The entries of an input, apart by commas and lines.
///
/// # Errors
/// As for [`entries`].
pub fn fields(input: &'static str, text: &str) -> Result<Vec<String>, Fault> {
    Ok(records(input, text)?.into_iter().flat_map(|record| record.fields).collect())
}

/// Where a key ends: at the first `=` outside of expressions.
pub(super) fn equals(text: &str) -> Option<usize> {
    let is_outside = |at: &usize| text[..*at].matches("{{").count() <= text[..*at].matches("}}").count();
    text.match_indices('=').map(|(at, _)| at).find(is_outside)
}

/// What is not read yet, and where it is.
struct Reader<'a> {
    input: &'static str,
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    const fn place(&self) -> Place {
        Place { input: self.input, line: self.line }
    }

    /// Goes on by so many bytes, which end between two characters.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    /// Goes to the begin of the next record, over blank lines and comments; false where there is none.
    fn next_record(&mut self) -> bool {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.take(blank);
            if !self.rest.starts_with('#') {
                return !self.rest.is_empty();
            }
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
    }

    /// The next field, and whether it is the last one of its record.
    fn field(&mut self) -> Result<(String, bool), Fault> {
        let blank = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
        self.take(blank);
        if self.rest.starts_with('"') {
            let place = self.place();
            let field = self.quoted()?;
            if self.ends_record() {
                return Ok((field, true));
            }
            return match self.rest.strip_prefix(',') {
                Some(rest) => {
                    self.rest = rest;
                    Ok((field, false))
                }
                None => Err(trailing().at(place)),
            };
        }
        let mut end = 0;
        while let Some(next) = self.rest[end..].chars().next() {
            let rest = &self.rest[end..];
            let expression = rest.starts_with("{{").then(|| rest.find("}}")).flatten();
            match (expression, next) {
                (Some(length), _) if !rest[..length].contains('\n') => end += length + 2,
                (_, ',' | '\n') => {
                    let field = self.take(end).to_owned();
                    self.take(1);
                    return Ok((field, next == '\n'));
                }
                _ => end += next.len_utf8(),
            }
        }
        Ok((self.take(end).to_owned(), true))
    }

    /// What stands in quotes, with the closing quote read.
    fn quoted(&mut self) -> Result<String, Fault> {
        let place = self.place();
        self.take(1);
        let mut text = String::new();
        loop {
            let Some(quote) = self.rest.find('"') else {
                let wrong = Wrong::new("a quote is opened here and not closed");
                return Err(wrong.cure("close it; a quote that is meant as such is written twice").at(place));
            };
            text.push_str(self.take(quote));
            self.take(1);
            if !self.rest.starts_with('"') {
                return Ok(text);
            }
            text.push('"');
            self.take(1);
        }
    }

    /// Goes over the end of the line where only blanks are before it.
    fn ends_record(&mut self) -> bool {
        let blank = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
        self.take(blank);
        match self.rest.chars().next() {
            None => true,
            Some('\n') => {
                self.take(1);
                true
            }
            Some(_) => false,
        }
    }
}

fn trailing() -> Wrong {
    Wrong::new("something follows a closing quote")
        .cure("put the whole field in quotes, and write a quote inside of it twice")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Vec<String>)> {
        records("tags", text).unwrap().into_iter().map(|record| (record.place.line, record.fields)).collect()
    }

    fn one(line: usize, fields: &[&str]) -> (usize, Vec<String>) {
        (line, fields.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn records_know_their_lines() {
        assert_eq!(read("# first\n\n  a , b\r\n#c,d\ne,,f,\n"), [one(3, &["a", "b"]), one(5, &["e", "f"])]);
        assert_eq!(read("a#b"), [one(1, &["a#b"])]);
        assert_eq!(read(" \n#"), []);
    }

    #[test]
    fn quotes_and_expressions_keep_commas() {
        assert_eq!(read(r#"a,"b=\d{1,3},""x""" , c"#), [one(1, &["a", r#"b=\d{1,3},"x""#, "c"])]);
        assert_eq!(read("a={{date 'D, Y'}},b"), [one(1, &["a={{date 'D, Y'}}", "b"])]);
        assert_eq!(read("a={{x,b\nc}}"), [one(1, &["a={{x", "b"]), one(2, &["c}}"])]);
        assert_eq!(read("\"a\nb\",c\nd"), [one(1, &["a\nb", "c"]), one(3, &["d"])]);
        assert_eq!(read(r#"say "hi",b"#), [one(1, &[r#"say "hi""#, "b"])]);
    }

    #[test]
    fn open_quotes_have_a_place() {
        assert_eq!(
            records("tags", "a\nb,\"c").unwrap_err().to_string(),
            "tags, line 2: a quote is opened here and not closed"
        );
        assert!(records("tags", "\"a\" b").unwrap_err().to_string().contains("follows a closing quote"));
    }

    #[test]
    fn a_key_ends_at_the_first_equals_sign_outside_of_expressions() {
        assert_eq!(equals("a=b=c"), Some(1));
        assert_eq!(equals("a{{date 'x' tz='y'}}=b"), Some(20));
        assert_eq!(equals("a{{date tz='y'"), None);
        assert_eq!(equals("a"), None);
    }

    #[test]
    fn lines_keep_their_commas_and_quotes() {
        let read =
            |text| lines("labels", text).unwrap().into_iter().map(|(_, line)| line).collect::<Vec<_>>();
        assert_eq!(read("a=b, \"c\" \n# no\n\"d=e\nf, \"\"g\"\"\""), ["a=b, \"c\"", "d=e\nf, \"g\""]);
        assert!(lines("labels", "\"a\"b").is_err());
    }
}
