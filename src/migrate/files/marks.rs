//! What a migration does to older releases: what its file says, and what its statements would do.

use crate::rollout::Phase;

/// The beginning of the line in which a file says what it is.
const MARK: &str = "tidegate:";
const HELP: &str = "write `-- tidegate: contract` in a line of its own at the top; or `-- tidegate: expand`, if no older release needs it";

/// A file that cannot be run as it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Where, from 1.
    pub(super) line: usize,
    /// What.
    pub(super) sentence: String,
    /// The cure.
    pub(super) help: &'static str,
}

/// What a file's migration is: what it says in a comment before its first statement, and `expand` where it says nothing. One that says nothing and takes away
/// what an older release may use is refused: it would run while that release serves.
pub(super) fn phase(sql: &str) -> Result<Phase, Wrong> {
    let comments = sql.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    for (line, text) in comments.take_while(|(_, text)| text.is_empty() || text.starts_with("--")) {
        let Some(word) = text.trim_start_matches('-').trim().strip_prefix(MARK).map(str::trim) else {
            continue;
        };
        return match word {
            "expand" => Ok(Phase::Expand),
            "contract" => Ok(Phase::Contract),
            other => {
                let sentence = format!("`{}` is no phase of a migration", other.escape_debug());
                Err(Wrong { line, sentence, help: "write `expand` or `contract`" })
            }
        };
    }
    match takes_away(&words(sql)) {
        Some((line, what)) => {
            let sentence = format!(
                "`{what}` takes away what older releases may use, and the file does not say which phase it is of"
            );
            Err(Wrong { line, sentence, help: HELP })
        }
        None => Ok(Phase::Expand),
    }
}

/// A word of a statement with its line; `;` is a word.
type Word = (usize, String);

/// The words of all statements in small letters, without comments and texts. Names in quotes stay, as one word.
fn words(sql: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let (mut line, mut rest) = (1, sql);
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if matches!(first, '\'' | '"' | '`') {
            quoted(rest, first)
        } else if let Some(tag) = dollar(rest) {
            rest[tag.len()..].find(tag).map_or(rest.len(), |end| end + 2 * tag.len())
        } else if is_letter(first) {
            rest.find(|c| !is_letter(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (text, after) = rest.split_at(length);
        if is_letter(first) || matches!(first, '"' | '`' | ';') {
            words.push((line, text.to_lowercase()));
        }
        line += text.matches('\n').count();
        rest = after;
    }
    words
}

fn is_letter(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '.'
}

/// How long the quoted text at the beginning is; a doubled quote belongs to it.
fn quoted(text: &str, quote: char) -> usize {
    let mut inner = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = inner.next() {
        if character == quote && inner.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    text.len()
}

/// The tag of a text between dollars (PostgreSQL, 4.1.2.4), such as `$$` or `$body$`.
fn dollar(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('$')?;
    let end = inner.find('$')?;
    let is_tag = inner[..end].chars().all(|c| c.is_alphanumeric() || c == '_')
        && !inner.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &text[..end + 2])
}

/// The first statement that takes something away, with its line.
fn takes_away(words: &[Word]) -> Option<(usize, String)> {
    const GONE: [&str; 10] = [
        "table",
        "view",
        "schema",
        "type",
        "function",
        "procedure",
        "sequence",
        "database",
        "domain",
        "materialized",
    ];
    // What may be dropped of a table without a reader or writer missing it.
    const SPARED: [&str; 13] = [
        "index",
        "constraint",
        "key",
        "primary",
        "foreign",
        "check",
        "default",
        "not",
        "trigger",
        "expression",
        "identity",
        "unique",
        "partition",
    ];
    words.split(|(_, word)| word == ";").find_map(|statement| {
        let texts: Vec<&str> = statement.iter().map(|(_, word)| word.as_str()).collect();
        let line = |index: usize| statement[index].0;
        let pair = |index: usize| {
            (line(index), texts[index..].iter().take(2).copied().collect::<Vec<_>>().join(" "))
        };
        match texts.first().copied()? {
            "drop" if texts.get(1).is_some_and(|word| GONE.contains(word)) => Some(pair(0)),
            "truncate" => Some((line(0), "truncate".to_owned())),
            "rename" => Some(pair(0)),
            "alter" => (1..texts.len()).find_map(|index| match texts[index] {
                "drop" if texts.get(index + 1).is_some_and(|word| !SPARED.contains(word)) => {
                    Some(pair(index))
                }
                "rename"
                    if texts
                        .get(index + 1)
                        .is_some_and(|word| !["index", "constraint", "key"].contains(word)) =>
                {
                    Some(pair(index))
                }
                "type" if is_of_column(&texts[..index]) => Some((line(index), "type".to_owned())),
                "modify" | "change" => Some(pair(index)),
                "set" if texts.get(index + 1..index + 3) == Some(&["not", "null"]) => {
                    Some((line(index), "set not null".to_owned()))
                }
                _ => None,
            }),
            _ => None,
        }
    })
}

/// Whether what stands before `type` is a column that is to have another one: `alter [column] NAME [set data]`.
fn is_of_column(before: &[&str]) -> bool {
    match before {
        [.., "data"] | [_, .., "alter", "column", _] => true,
        [_, .., last, _] => *last == "alter",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is() {
        for (sql, expected) in [
            ("create table a (b int)", Phase::Expand),
            ("-- no-transaction\n--tidegate: contract\ndrop table a", Phase::Contract),
            ("\n-- words\n\n-- tidegate:  expand \ndrop table a", Phase::Expand),
        ] {
            assert_eq!(phase(sql), Ok(expected), "{sql}");
        }
        assert_eq!(
            phase("select 1;\n-- tidegate: contract").unwrap(),
            Phase::Expand,
            "only before the first statement"
        );
        assert_eq!(phase("-- tidegate: x\x1b").unwrap_err().line, 1);
    }

    #[test]
    fn what_takes_away_must_say_so() {
        for (sql, line) in [
            ("DROP TABLE a", 1),
            ("drop table if exists a", 1),
            ("select 1;\n\ndrop view a", 3),
            ("alter table a drop column b", 1),
            ("alter table a add c int,\n drop b", 2),
            ("alter table a drop if exists b", 1),
            ("alter table a rename to b", 1),
            ("alter table a rename column c to d", 1),
            ("alter table a alter column b type bigint", 1),
            ("alter table a alter b set data type bigint", 1),
            ("alter table a alter column b set not null", 1),
            ("alter table a modify b bigint", 1),
            ("alter table a change b c int", 1),
            ("rename table a to b", 1),
            ("truncate a", 1),
            ("/* a\n*/ drop type a", 2),
        ] {
            assert_eq!(phase(sql).unwrap_err().line, line, "{sql}");
        }
    }

    #[test]
    fn what_adds_and_what_only_looks_like_taking_away_is_let_be() {
        for sql in [
            "create table a (b int); insert into a values (1), (2)",
            "-- drop table a\nselect 1",
            "/* drop table a; */ select 1",
            "insert into a values ('; drop table a; it''s')",
            "create function f() returns void as $x$ drop table a; $x$ language sql",
            "create function f() returns void as $$ begin drop table a; end $$ language plpgsql",
            "drop index a",
            "alter table a drop constraint b",
            "alter table a alter column b drop not null",
            "alter table a alter column b set default 1",
            "alter table a add column \"drop\" int, add column type text",
            "update a set b = $1 where c = $2",
            "comment on table a is 'rename me'",
            "'unclosed",
            "$x$ unclosed",
        ] {
            assert_eq!(phase(sql), Ok(Phase::Expand), "{sql}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_odd(sql in "(drop|table|alter|[\"'`$;/*-]|\\PC|\n| ){0,40}") {
            let _ = phase(&sql);
        }
    }
}
