//! MariaDB, in memory: what `mysql://` is tried against.

use super::services::{NOBODY, SOON};
use super::{Stage, credentials, write};
use crate::process::{finish, program};
use crate::{BedError, address};

/// The file of the run folder with the password of the user `tidegate`, who may do everything.
pub(crate) const PASSWORD: &str = "mariadb-password";
/// Where its data and its socket are.
const FOLDER: &str = "/run/mariadb";

pub(super) async fn start(stage: &Stage) -> Result<(), BedError> {
    let as_nobody = |tool: &str| {
        let mut command = program("setpriv");
        command.args([
            &format!("--reuid={NOBODY}"),
            &format!("--regid={NOBODY}"),
            "--clear-groups",
            "--",
            tool,
        ]);
        command.args(["--no-defaults", &format!("--datadir={FOLDER}/data")]);
        command
    };
    if !std::path::Path::new(FOLDER).join("data/mysql").exists() {
        let mut make = program("install");
        make.args(["-d", "-o", NOBODY, "-g", NOBODY, FOLDER, &format!("{FOLDER}/data")]);
        finish(make).await?;
        let password = credentials::random()?;
        write(PASSWORD, &password)?;
        let rights = format!(
            "CREATE USER tidegate@'%' IDENTIFIED BY '{password}';\nGRANT ALL ON *.* TO tidegate@'%' WITH GRANT OPTION;\n"
        );
        let file = write("mariadb-rights.sql", &rights)?;
        // Nobody may not look into the run folder, and so gets it where he may.
        let mut hand = program("install");
        hand.args(["-o", NOBODY, "-m", "400"]).arg(file).arg(format!("{FOLDER}/rights.sql"));
        finish(hand).await?;
        let mut init = as_nobody("mariadb-install-db");
        init.args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-log-bin"]);
        finish(init).await?;
    }
    let mut server = as_nobody("mariadbd");
    server.args([
        &format!("--socket={FOLDER}/socket"),
        &format!("--pid-file={FOLDER}/pid"),
        &format!("--bind-address={}", address::BED),
        &format!("--port={}", address::MARIADB),
        &format!("--init-file={FOLDER}/rights.sql"),
        "--skip-log-bin",
        "--skip-name-resolve",
        "--innodb-flush-log-at-trx-commit=0",
    ]);
    stage.processes.run("mariadb", server)?;
    let answers = || async {
        let mut ready = program("mariadb-admin");
        ready.args(["--no-defaults", &format!("--socket={FOLDER}/socket"), "ping"]);
        finish(ready).await.is_ok()
    };
    stage.processes.until_ready("mariadb", SOON, answers).await
}
