//! A check run of its own for what keeps a run from beginning: mistakes in the configuration or the workflow, each at its line. It is of no
//! environment, for which one it would have been is in what cannot be read.

use sha2::{Digest as _, Sha256};

use crate::github::checks::{self, Annotation, BATCH, CheckRun, Conclusion, LONGEST, Standing};
use crate::github::{Client, Failure, Workflow};
use crate::report::safe;

/// The name of that check run.
const NAME: &str = "tidegate / configuration";

/// Tells what is wrong, in a check run that has failed.
///
/// # Errors
/// Why GitHub did not take it.
pub async fn refuse(client: &Client, workflow: &Workflow, annotations: &[Annotation]) -> Result<(), Failure> {
    let title = match annotations {
        [only] => safe::plain(&only.message),
        all => format!("{} things are wrong", all.len()),
    };
    let line = |one: &Annotation| safe::plain(&format!("{}:{}: {}", one.path, one.line, one.message));
    let lines: Vec<String> = annotations.iter().map(line).collect();
    let sum = Sha256::digest(lines.join("\n"));
    let run = CheckRun {
        name: NAME.to_owned(),
        sha: workflow.sha.clone(),
        external_id: format!("{}-{}", workflow.name, &hex::encode(sum)[..12]),
        details: workflow.run.clone(),
        standing: Standing::Concluded(Conclusion::Failure),
        times: (None, None),
        title: title.chars().take(250).collect(),
        summary: safe::cut(&safe::fenced(&lines), LONGEST, "… the rest is in the log of the run."),
        text: String::new(),
    };
    // Each job of a run may find the same, which is told once.
    if checks::find(client, &run.sha, NAME, &run.external_id).await?.is_some() {
        return Ok(());
    }
    let mut batches = annotations.chunks(BATCH);
    let id = checks::create(client, &run, batches.next().unwrap_or_default()).await?;
    for batch in batches {
        checks::update(client, id, &run, batch).await?;
    }
    Ok(())
}
