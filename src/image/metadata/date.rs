//! How a moment is written by a format of Moment's: <https://momentjs.com/docs/#/displaying/format/>, in English.

use jiff::civil::Date;
use jiff::{ToSpan as _, Zoned};

/// The words that mean something, in the order in which they are tried at each place.
const WORDS: &[&str] = &[
    "Hmmss",
    "hmmss",
    "Hmm",
    "hmm",
    "Mo",
    "MMMM",
    "MMM",
    "MM",
    "M",
    "Do",
    "DDDo",
    "DDDD",
    "DDD",
    "DD",
    "D",
    "dddd",
    "ddd",
    "dd",
    "do",
    "d",
    "wo",
    "ww",
    "w",
    "Wo",
    "WW",
    "W",
    "Qo",
    "Q",
    "NNNNN",
    "NNNN",
    "NNN",
    "NN",
    "N",
    "YYYYYY",
    "YYYYY",
    "YYYY",
    "YY",
    "Y",
    "yyyy",
    "yyy",
    "yy",
    "yo",
    "y",
    "ggggg",
    "gggg",
    "gg",
    "GGGGG",
    "GGGG",
    "GG",
    "e",
    "E",
    "a",
    "A",
    "hh",
    "h",
    "HH",
    "H",
    "kk",
    "k",
    "mm",
    "m",
    "ss",
    "s",
    "SSSSSSSSS",
    "SSSSSSSS",
    "SSSSSSS",
    "SSSSSS",
    "SSSSS",
    "SSSS",
    "SSS",
    "SS",
    "S",
    "x",
    "X",
    "zz",
    "z",
    "ZZ",
    "Z",
];
/// The words that stand for whole formats.
const LONG: &[(&str, &str)] = &[
    ("LTS", "h:mm:ss A"),
    ("LT", "h:mm A"),
    ("LLLL", "dddd, MMMM D, YYYY h:mm A"),
    ("LLL", "MMMM D, YYYY h:mm A"),
    ("LL", "MMMM D, YYYY"),
    ("L", "MM/DD/YYYY"),
    ("llll", "ddd, MMM D, YYYY h:mm A"),
    ("lll", "MMM D, YYYY h:mm A"),
    ("ll", "MMM D, YYYY"),
    ("l", "M/D/YYYY"),
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The moment by that format. What means nothing in it is written as it is, as is what stands in brackets.
pub(super) fn format(format: &str, at: &Zoned) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if let Some((text, after)) = bracketed(rest) {
            out.push_str(text);
            rest = after;
        } else if let Some(escaped) = rest.strip_prefix('\\') {
            let length =
                word(escaped).map_or_else(|| escaped.chars().next().map_or(0, char::len_utf8), str::len);
            out.push_str(&escaped[..length]);
            rest = &escaped[length..];
        } else if let Some((name, long)) = LONG.iter().find(|(name, _)| rest.starts_with(name)) {
            out.push_str(&self::format(long, at));
            rest = &rest[name.len()..];
        } else if let Some(word) = word(rest) {
            out.push_str(&written(word, at));
            rest = &rest[word.len()..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn word(text: &str) -> Option<&'static str> {
    WORDS.iter().copied().find(|word| text.starts_with(word))
}

/// What stands in brackets at the begin, and what follows: up to the last closing one before the next opening one.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('[')?;
    let limit = inner.find('[').unwrap_or(inner.len());
    let close = inner[..limit].rfind(']')?;
    Some((&inner[..close], &inner[close + 1..]))
}

fn written(word: &str, at: &Zoned) -> String {
    match word.as_bytes()[0] {
        b'M' | b'Q' | b'D' | b'd' | b'e' | b'E' | b'w' | b'W' | b'g' | b'G' => day(word, at.date()),
        b'Y' | b'y' | b'N' => year(word, i64::from(at.year())),
        b'z' | b'Z' | b'x' | b'X' => zone(word, at),
        _ => time(word, at),
    }
}

fn day(word: &str, date: Date) -> String {
    let (month, day) = (i64::from(date.month()), i64::from(date.day()));
    let of_year = i64::from(date.day_of_year());
    let weekday = date.weekday().to_sunday_zero_offset();
    let name = DAYS[usize::try_from(weekday).unwrap_or_default()];
    let month_name = MONTHS[usize::try_from(month - 1).unwrap_or_default()];
    let week = Week::of(date);
    let iso = date.iso_week_date();
    let (iso_week, iso_year) = (i64::from(iso.week()), i64::from(iso.year()));
    match word {
        "Mo" => ordinal(month),
        "MMMM" => month_name.to_owned(),
        "MMM" => month_name[..3].to_owned(),
        "MM" => padded(month, 2),
        "Q" => ((month + 2) / 3).to_string(),
        "Qo" => ordinal((month + 2) / 3),
        "Do" => ordinal(day),
        "DDDo" => ordinal(of_year),
        "DDDD" => padded(of_year, 3),
        "DDD" => of_year.to_string(),
        "DD" => padded(day, 2),
        "D" => day.to_string(),
        "dddd" => name.to_owned(),
        "ddd" => name[..3].to_owned(),
        "dd" => name[..2].to_owned(),
        "do" => ordinal(weekday.into()),
        "d" | "e" => weekday.to_string(),
        "E" => date.weekday().to_monday_one_offset().to_string(),
        "wo" => ordinal(week.number),
        "ww" => padded(week.number, 2),
        "w" => week.number.to_string(),
        "Wo" => ordinal(iso_week),
        "WW" => padded(iso_week, 2),
        "W" => iso_week.to_string(),
        "gg" => padded(week.year % 100, 2),
        "gggg" => padded(week.year, 4),
        "ggggg" => padded(week.year, 5),
        "GG" => padded(iso_year % 100, 2),
        "GGGG" => padded(iso_year, 4),
        "GGGGG" => padded(iso_year, 5),
        _ => month.to_string(),
    }
}

/// A week from Sunday to Saturday, the first of a year being the one with the first of January.
struct Week {
    number: i64,
    year: i64,
}

impl Week {
    fn of(date: Date) -> Self {
        let to_saturday = 6 - i64::from(date.weekday().to_sunday_zero_offset());
        let saturday = date.saturating_add(to_saturday.days());
        Self { number: (i64::from(saturday.day_of_year()) - 1) / 7 + 1, year: i64::from(saturday.year()) }
    }
}

fn year(word: &str, year: i64) -> String {
    match word {
        "YY" => padded(year.rem_euclid(100), 2),
        "YYYYY" => padded(year, 5),
        "YYYYYY" => format!("{}{}", if year < 0 { '-' } else { '+' }, padded(year.abs(), 6)),
        "Y" | "YYYY" => padded(year, 4),
        "NNNN" => if year > 0 { "Anno Domini" } else { "Before Christ" }.to_owned(),
        "N" | "NN" | "NNN" | "NNNNN" => if year > 0 { "AD" } else { "BC" }.to_owned(),
        // The year of the era: there is none between 1 BC and AD 1.
        _ => {
            let year = if year > 0 { year } else { 1 - year };
            if word == "yo" { ordinal(year) } else { padded(year, word.len()) }
        }
    }
}

fn zone(word: &str, at: &Zoned) -> String {
    let seconds = i64::from(at.offset().seconds());
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    let sign = if seconds < 0 { '-' } else { '+' };
    match word {
        "Z" => format!("{sign}{hours:02}:{minutes:02}"),
        "ZZ" => format!("{sign}{hours:02}{minutes:02}"),
        "X" => at.timestamp().as_second().to_string(),
        "x" => at.timestamp().as_millisecond().to_string(),
        _ => at.time_zone().to_offset_info(at.timestamp()).abbreviation().to_owned(),
    }
}

fn time(word: &str, at: &Zoned) -> String {
    let (hour, minute, second) = (i64::from(at.hour()), i64::from(at.minute()), i64::from(at.second()));
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    match word {
        "Hmm" => format!("{hour}{minute:02}"),
        "Hmmss" => format!("{hour}{minute:02}{second:02}"),
        "hmm" => format!("{twelve}{minute:02}"),
        "hmmss" => format!("{twelve}{minute:02}{second:02}"),
        "HH" => padded(hour, 2),
        "H" => hour.to_string(),
        "hh" => padded(twelve, 2),
        "h" => twelve.to_string(),
        "kk" => padded(if hour == 0 { 24 } else { hour }, 2),
        "k" => if hour == 0 { 24 } else { hour }.to_string(),
        "mm" => padded(minute, 2),
        "m" => minute.to_string(),
        "ss" => padded(second, 2),
        "s" => second.to_string(),
        "a" => if hour < 12 { "am" } else { "pm" }.to_owned(),
        "A" => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        // Moment knows milliseconds; what is finer is zero.
        digits => {
            let fraction = format!("{:03}000000", at.millisecond());
            fraction[..digits.len().min(fraction.len())].to_owned()
        }
    }
}

fn padded(number: i64, width: usize) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{:0width$}", number.abs())
}

fn ordinal(number: i64) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::{TimeZone, TimeZoneDatabase};

    fn at(moment: &str, zone: &str, format: &str) -> String {
        let zone = if zone == "UTC" { TimeZone::UTC } else { TimeZoneDatabase::bundled().get(zone).unwrap() };
        super::format(format, &moment.parse::<Timestamp>().unwrap().to_zoned(zone))
    }

    #[test]
    fn words_of_a_format() {
        let moment = "2021-03-04T05:06:07.089Z";
        for (format, expected) in [
            ("YYYYMMDD", "20210304"),
            ("YY-M-D", "21-3-4"),
            ("YYYYYY YYYYY Y y yy yyyy yo", "+002021 02021 2021 2021 2021 2021 2021st"),
            ("MMM MMMM Mo Do DDD DDDD DDDo Q Qo", "Mar March 3rd 4th 63 063 63rd 1 1st"),
            ("d do dd ddd dddd e E", "4 4th Th Thu Thursday 4 4"),
            (
                "w wo ww W Wo WW gg gggg ggggg GG GGGG GGGGG",
                "10 10th 10 9 9th 09 21 2021 02021 21 2021 02021",
            ),
            ("H HH h hh k kk m mm s ss a A", "5 05 5 05 5 05 6 06 7 07 am AM"),
            ("S SS SSS SSSS SSSSSSSSS", "0 08 089 0890 089000000"),
            ("Hmm Hmmss hmm hmmss HHmmss", "506 50607 506 50607 050607"),
            ("X x Z ZZ z zz", "1614834367 1614834367089 +00:00 +0000 UTC UTC"),
            ("N NN NNNN NNNNN", "AD AD Anno Domini AD"),
            (
                "LT|LTS|L|LL|LLL|LLLL",
                "5:06 AM|5:06:07 AM|03/04/2021|March 4, 2021|March 4, 2021 5:06 AM|Thursday, March 4, 2021 5:06 AM",
            ),
            ("l|ll|lll|llll", "3/4/2021|Mar 4, 2021|Mar 4, 2021 5:06 AM|Thu, Mar 4, 2021 5:06 AM"),
            ("YYYY-MM-DDTHH:mm:ss.SSS[Z]", "2021-03-04T05:06:07.089Z"),
            ("[at] H [o'clock]", "at 5 o'clock"),
            ("[a]b]c [", "a]bc ["),
            (r"\YYYY \M\q\", "YYYY Mq"),
            ("", ""),
            ("ü-YYYY", "ü-2021"),
        ] {
            assert_eq!(at(moment, "UTC", format), expected, "{format}");
        }
    }

    #[test]
    fn zones_and_edges_of_days_and_years() {
        for (moment, zone, format, expected) in [
            ("2020-01-10T00:30:00Z", "Asia/Tokyo", "YYYYMMDD-HHmmss Z z", "20200110-093000 +09:00 JST"),
            ("2020-01-10T00:30:00Z", "America/New_York", "YYYYMMDD HH ZZ z A", "20200109 19 -0500 EST PM"),
            ("2020-07-10T00:30:00Z", "America/New_York", "Z z", "-04:00 EDT"),
            ("2020-01-10T00:30:00Z", "Asia/Kolkata", "HH:mm Z", "06:00 +05:30"),
            ("2020-01-10T00:00:00Z", "UTC", "h hh k kk a", "12 12 24 24 am"),
            ("2020-01-10T12:00:00Z", "UTC", "h H k A", "12 12 12 PM"),
            ("2021-01-01T00:00:00Z", "UTC", "ww gggg WW GGGG", "01 2021 53 2020"),
            ("2022-12-31T00:00:00Z", "UTC", "ww gggg WW GGGG", "53 2022 52 2022"),
            ("2023-12-31T00:00:00Z", "UTC", "ww gggg", "01 2024"),
            ("2020-01-11T00:00:00Z", "UTC", "Do", "11th"),
            ("2020-01-22T00:00:00Z", "UTC", "Do", "22nd"),
            ("-000001-01-01T00:00:00Z", "UTC", "YYYY YYYYYY y N", "-0001 -000001 2 BC"),
        ] {
            assert_eq!(at(moment, zone, format), expected, "{moment} {zone} {format}");
        }
    }
}
