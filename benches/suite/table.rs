//! The results as a Markdown table, with the aim of each figure and whether it is met.

use std::io::{self, Write};
use std::path::Path;

use serde_json::Value;

use super::Outcome;

/// Prints the table of a file of results.
pub(super) fn print(file: &Path) -> Outcome<()> {
    let place = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{place} cannot be read: {error}"))?;
    let mut lines: Vec<Value> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let value = serde_json::from_str(line);
        lines.push(value.map_err(|error| format!("{place}:{}: not a result in JSON: {error}", index + 1))?);
    }
    let mut out = io::stdout().lock();
    for line in lines.iter().filter(|line| line["measure"] == "machine") {
        writeln!(out, "{}\n", machine(line))?;
    }
    writeln!(
        out,
        "| figure | aim | measured | met | commit, load | command |\n| --- | --- | --- | --- | --- | --- |"
    )?;
    for line in &lines {
        for row in rows(line) {
            writeln!(out, "{}", row.render(line))?;
        }
    }
    Ok(())
}

fn machine(line: &Value) -> String {
    let real = if line["virtual"] == true { "virtual" } else { "real" };
    format!(
        "Measured on {} on a {real} machine: {} cores, {} GiB; Linux {}; {}; {}; commit {}.",
        text(&line["date"]),
        line["cores"],
        line["memory_gib"],
        text(&line["kernel"]),
        text(&line["rustc"]),
        line["nginx"].as_str().unwrap_or("no nginx"),
        text(&line["commit"]),
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("not known")
}

/// One figure.
struct Row {
    figure: String,
    aim: &'static str,
    measured: String,
    /// Whether the aim is met, where there is one.
    met: Option<bool>,
}

impl Row {
    fn new(figure: impl Into<String>, aim: &'static str, measured: String, met: Option<bool>) -> Self {
        Self { figure: figure.into(), aim, measured, met }
    }

    /// The row in Markdown, with the command and the load of the result that it came from.
    fn render(&self, line: &Value) -> String {
        let Self { figure, aim, measured, met } = self;
        let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
        let command = line["command"].as_str().unwrap_or_default();
        let (commit, load) = (text(&line["commit"]), &line["load"]);
        format!("| {figure} | {aim} | {measured} | {met} | {commit}, {load} | `{command}` |")
    }
}

/// The rows of one result; none for what is only kept in the file.
fn rows(line: &Value) -> Vec<Row> {
    let number = |key: &str| number(line, key);
    match text(&line["measure"]) {
        "version" => {
            let (own, other) = (number("median_ms"), number("median_ms_of_true"));
            let measured = format!("{own} ms median, {} ms p99; `true` takes {other} ms", line["p99_ms"]);
            vec![Row::new("`--version`, start to end", "under 5 ms", measured, Some(own < 5.0))]
        }
        "binary" => {
            let (mb, is) = (number("bytes") / 1e6, line["static"] == true);
            let linked = if is { "static" } else { "not static" };
            let measured = format!("{linked}, {mb:.1} MB");
            vec![Row::new("binary", "static, under 25 MB", measured, Some(is && mb < 25.0))]
        }
        "demo" => demo(line),
        "detection" => vec![detection(line)],
        "rules" => rules(line),
        "false-alarms" => {
            let share = number("aborted_share");
            let figure = format!("false alarms, both {}", text(&line["stable"]));
            let measured = format!("{:.2} % of {} trials", share * 100.0, line["trials"]);
            vec![Row::new(figure, "at most 1 %", measured, Some(share <= number("alpha")))]
        }
        "takeover" => {
            let measured = format!(
                "{} ms median, {} ms worst ({} ms without a kill); {} of {} requests failed, {} refused",
                line["no_answer_ms_median"],
                line["no_answer_ms_worst"],
                line["no_answer_ms_usual"],
                line["failed"],
                line["requests"],
                line["refused"]
            );
            vec![Row::new("no answer after `kill -9` of the supervisor", "", measured, None)]
        }
        "proxy-ratio" => {
            let (rate, core, p99) = (number("requests_per_second"), number("per_cpu_second"), number("p99"));
            let figure = |what: &str| format!("router / nginx, {what}, workers: {}", line["workers"]);
            let measured = format!("{rate:.2} requests/s, {core:.2} requests/CPU second");
            vec![
                Row::new(figure("throughput"), "1.0 or more", measured, Some(rate >= 1.0)),
                Row::new(figure("p99"), "1.0 or less", format!("{p99:.2}"), Some(p99 <= 1.0)),
            ]
        }
        "analysis: look" => {
            let measured = format!("{} ns", line["ns"]);
            vec![Row::new(
                format!(
                    "judge, one block of {} requests (stable, candidate) taken in and judged",
                    line["requests"]
                ),
                "",
                measured,
                None,
            )]
        }
        _ => Vec::new(),
    }
}

fn number(line: &Value, key: &str) -> f64 {
    line[key].as_f64().unwrap_or(f64::NAN)
}

fn detection(line: &Value) -> Row {
    let (times, bound) = (number(line, "times_wald"), number(line, "wald_bound"));
    let figure = format!("detection, {} against {}", text(&line["canary"]), text(&line["stable"]));
    let mut measured =
        format!("{times:.2} × Wald's bound ({} requests; bound {bound:.1})", line["median_requests"]);
    // Lines of older programs have no oracle.
    if let Some(times) = line["times_oracle"].as_f64() {
        measured += &format!(", {times:.2} × the two-sample oracle ({})", line["oracle_median_requests"]);
    }
    // The aim is set for these rates.
    match (text(&line["stable"]), text(&line["canary"])) {
        ("0.001", "0.05") => Row::new(figure, "at most 2 ×", measured, Some(times <= 2.0)),
        _ => Row::new(figure, "", measured, None),
    }
}

/// A row for each judge on the same requests.
fn rules(line: &Value) -> Vec<Row> {
    let row = |one: &Value| {
        let figure = format!(
            "{} against {} at {}/s: {}",
            text(&line["canary"]),
            text(&line["stable"]),
            line["rate"],
            text(&one["judge"])
        );
        let percent = |key: &str| number(one, key) * 100.0;
        let time =
            |key: &str| one[key].as_f64().map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.0} s"));
        let measured = format!(
            "{:.1} % false alarms, {:.1} % stopped after {} (90 %: {}), {:.1} bad answers until then",
            percent("false_alarm_share"),
            percent("detected_share"),
            time("median_seconds"),
            time("p90_seconds"),
            number(one, "mean_exposure")
        );
        Row::new(figure, "", measured, None)
    };
    line["comparison"].as_array().into_iter().flatten().map(row).collect()
}

fn demo(line: &Value) -> Vec<Row> {
    let (rate, runs) = (&line["rate"], &line["runs"]);
    let (median, worst) = (number(line, "back_within_ms_median"), number(line, "back_within_ms_worst"));
    let router = format!(
        "{} ms median, {} ms worst",
        line["decision_to_router_ms_median"], line["decision_to_router_ms_worst"]
    );
    let evidence = number(line, "good_times_evidence_median");
    let good = format!(
        "{evidence} × its evidence ({} s more), {} × the least; {} s in all",
        line["good_over_evidence_seconds_median"],
        line["good_times_least_median"],
        line["good_seconds_median"]
    );
    let bad = format!(
        "{} s median, after {} requests (worst {})",
        line["bad_seconds_median"], line["bad_requests_median"], line["bad_requests_worst"]
    );
    let lost = number(line, "lost");
    let figure = |what: &str| format!("demo at {rate}/s, {runs} runs: {what}");
    vec![
        Row::new(
            figure("decision to last request on the bad release"),
            "under 50 ms",
            format!("{median} ms median, {worst} ms worst"),
            Some(worst < 50.0),
        ),
        Row::new(figure("decision to the router's word"), "", router, None),
        Row::new(figure("whole good canary"), "no slower than its evidence", good, Some(evidence <= 1.0)),
        Row::new(figure("whole bad canary"), "", bad, None),
        Row::new(
            figure("requests lost; runs not as promised"),
            "0; 0",
            format!("{lost}; {}", line["runs_failed"]),
            Some(lost == 0.0 && line["runs_failed"] == 0),
        ),
    ]
}
