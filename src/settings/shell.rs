//! Splits a command line into words as a POSIX shell does, without expansions
//! (<https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_02>).

/// The words of a line.
///
/// # Errors
/// A sentence and its cure: a quote is not closed, or a character is there that only a shell would understand.
pub(super) fn split(line: &str) -> Result<Vec<String>, (String, String)> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' | '"' => quoted(character, &mut characters, word.get_or_insert_default())?,
            '\\' => match characters.next() {
                Some('\n') => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => {
                    return Err(("the command ends with a backslash".to_owned(), "take it out".to_owned()));
                }
            },
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '*' | '?' => {
                return Err(shell_needed(character));
            }
            '#' | '~' if word.is_none() => return Err(shell_needed(character)),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Reads on to the closing quote.
fn quoted(
    quote: char,
    characters: &mut std::str::Chars<'_>,
    word: &mut String,
) -> Result<(), (String, String)> {
    while let Some(character) = characters.next() {
        match character {
            end if end == quote => return Ok(()),
            '\\' if quote == '"' => match characters.next() {
                Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                Some('\n') | None => {}
                Some(other) => word.extend(['\\', other]),
            },
            '$' | '`' if quote == '"' => return Err(shell_needed(character)),
            other => word.push(other),
        }
    }
    Err((format!("the quote `{quote}` in the command is not closed"), "close it".to_owned()))
}

fn shell_needed(character: char) -> (String, String) {
    let cure = "quote it with ' if it is meant as it is; if a shell is meant, write `[sh, -c, \"exec …\"]`";
    (format!("no shell runs the command, so `{character}` has no meaning in it"), cure.to_owned())
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn splits_as_a_shell_does() {
        for (line, words) in [
            ("./server --flag", vec!["./server", "--flag"]),
            ("  a   b\t c ", vec!["a", "b", "c"]),
            (r#"a "b c" 'd "e"'"#, vec!["a", "b c", r#"d "e""#]),
            (r#"a\ b "c\"d\e" ''"#, vec!["a b", r#"c"d\e"#, ""]),
            ("sh -c 'exec ./server --port $PORT'", vec!["sh", "-c", "exec ./server --port $PORT"]),
            ("a=b#c", vec!["a=b#c"]),
            ("", vec![]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn refuses_what_only_a_shell_understands() {
        for line in [
            "a | b",
            "a && b",
            "a > b",
            "a $PORT",
            r#"a "$PORT""#,
            "a `b`",
            "a *",
            "~/a",
            "a 'b",
            "a \"b",
            "a\\",
        ] {
            assert!(split(line).is_err(), "{line}");
        }
    }
}
