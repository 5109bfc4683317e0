//! `testbed`: brings the real parts up and down, for the tests and for work by hand.

#![expect(clippy::print_stderr, reason = "a command line talks to its user")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use testbed::{Bed, BedError, Home, Part, Request, address, run};

#[derive(Parser)]
#[command(about = "The real parts that Tidegate is tested against", disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    command: Ask,
}

#[derive(Subcommand)]
enum Ask {
    /// Start parts and what they need (all of them when none is named), and tell how to reach them
    Up {
        /// The parts, such as `node1 gateway postgres`
        parts: Vec<Part>,
        /// The tidegate binary for the sample's images; by default the one beside this program
        #[arg(long)]
        app: Option<PathBuf>,
    },
    /// End everything and leave nothing
    Down,
    /// Tell which processes run
    Status,
    /// Cut a machine off from the network: node1, node2, node3 or docker
    Cut {
        /// Its name
        machine: String,
    },
    /// Bring a machine back to the network
    Join {
        /// Its name
        machine: String,
    },
    /// Send a signal to a process
    Signal {
        /// KILL, TERM, STOP, CONT or HUP
        signal: String,
        /// Its name, as `status` tells it
        process: String,
    },
    /// Hold the testbed (what `up` runs within the namespaces)
    #[command(hide = true)]
    Hold,
}

#[tokio::main]
async fn main() -> ExitCode {
    match perform(Line::parse().command).await {
        Ok(lines) => {
            let mut out = std::io::stdout().lock();
            // Who reads no further, such as `head`, has enough.
            let _ = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("testbed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn perform(ask: Ask) -> Result<Vec<String>, BedError> {
    let home = Home::of_user().ok_or_else(|| {
        BedError::new("HOME is not set: say where the testbed is to be kept with TIDEGATE_TESTBED")
    })?;
    let bed = Bed::at(home.clone());
    let request = match ask {
        Ask::Hold => return testbed::hold().await.map(|()| Vec::new()),
        Ask::Down => return testbed::down(&home).map(|()| Vec::new()),
        Ask::Up { parts, app } => {
            let parts = if parts.is_empty() { Part::ALL.to_vec() } else { parts };
            let app = app.map_or_else(beside, Ok)?;
            let bed = testbed::up(&home, &app, &parts, &|what| eprintln!("testbed: {what}")).await?;
            return Ok(how_to_reach(&bed));
        }
        Ask::Status => Request::Status,
        Ask::Cut { machine } => Request::Cut(machine),
        Ask::Join { machine } => Request::Join(machine),
        Ask::Signal { signal, process } => Request::Signal(process, signal),
    };
    bed.ask(request, &|_| ()).await
}

/// The `tidegate` binary in the folder of this program.
fn beside() -> Result<PathBuf, BedError> {
    let app = std::env::current_exe().ok().map(|this| this.with_file_name("tidegate"));
    app.filter(|app| app.exists()).ok_or_else(|| {
        BedError::new("there is no tidegate binary beside this program; run `cargo build` first")
    })
}

fn how_to_reach(bed: &Bed) -> Vec<String> {
    let docker = bed.home().docker_config();
    vec![
        format!("export KUBECONFIG={}", bed.kubeconfig("admin").display()),
        format!("export PATH={}:$PATH", bed.home().program("").display()),
        format!(
            "# others    {} (deployer, reader, stranger: no right until you bind one)",
            run("kubeconfig").display()
        ),
        format!(
            "# gateway   http://{} (HTTPRoutes on Gateway testbed/gateway)",
            address::bed(address::GATEWAY)
        ),
        format!("# registry  {} (plain HTTP)", address::bed(address::REGISTRY)),
        format!("# metrics   http://{}", address::bed(address::PROMETHEUS)),
        format!(
            "# database  postgres://postgres@{}/postgres, password in {}",
            address::bed(address::POSTGRES),
            run("postgres-password").display()
        ),
        format!(
            "# mariadb   mysql://tidegate@{}/mysql, password in {}",
            address::bed(address::MARIADB),
            run("mariadb-password").display()
        ),
        format!(
            "# nginx     http://{} (files in {}, then `testbed signal HUP nginx`)",
            address::bed(address::NGINX),
            run("nginx").display()
        ),
        format!(
            "# docker    export DOCKER_HOST=unix://{} DOCKER_CONFIG={}",
            run("docker.sock").display(),
            docker.display()
        ),
        format!("# buildkit  unix://{}", run("buildkitd.sock").display()),
        format!("# logs      {}", run("log").display()),
    ]
}
