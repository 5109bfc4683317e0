//! The start and the end of the holder, seen from outside of its namespaces.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::control::{Part, Request, Word};
use crate::process::tail;
use crate::{Bed, BedError, Home, address, home, requirements};

/// How long the holder may take to make its world.
const WORLD: Duration = Duration::from_secs(30);
/// How long the kernel may take to end a whole testbed.
const END: Duration = Duration::from_secs(30);
/// The link by which the host is wired to the testbed. It goes with the testbed.
const LINK: &str = "tidegate0";

/// Starts the testbed unless it runs, and in it the parts. `app` is the `tidegate` binary that the sample's images are made of;
/// `tell` hears what is waited for.
///
/// A testbed whose images are made of another binary is started anew: nodes keep the images that they have.
///
/// # Errors
/// When this machine cannot run it, when it is not installed, when one of another folder runs, or when a part fails; then with
/// the part's last log lines.
pub async fn up(home: &Home, app: &Path, parts: &[Part], tell: &dyn Fn(&str)) -> Result<Bed, BedError> {
    requirements::check(home)?;
    let bed = Bed::at(home.clone());
    {
        let _turn = turn()?;
        let runs = running().is_some() && bed.ask(Request::Status, &|_| ()).await.is_ok();
        if let Some(other) = other_home(home).filter(|_| runs) {
            return Err(BedError::new(format!(
                "a testbed from {} runs on this machine, and there can be one only; `make testbed-down` ends it",
                other.display()
            )));
        }
        let same =
            runs && fs::read_to_string(home::run("app/made-of")).is_ok_and(|known| known == identity(app));
        if runs && !same {
            tell("the app is another one than the images are made of: starting anew");
        }
        if !same {
            // Whatever an earlier testbed left, killed or broken, goes first.
            end(home)?;
            tell("making the namespaces");
            launch(home, app)?;
            wait_for(&bed).await?;
        }
        wire()?;
    }
    bed.ask(Request::Up(parts.to_vec()), &|word| {
        if let Word::Now(what) = word {
            tell(what);
        }
    })
    .await?;
    Ok(bed)
}

/// Ends the testbed and removes what it left: one signal to the first process of its namespace, with which the kernel ends all
/// others. Doing it twice is doing it once.
///
/// # Errors
/// When the process does not end, or what it left cannot be removed.
pub fn down(home: &Home) -> Result<(), BedError> {
    if !rustix::process::geteuid().is_root() {
        return Err(BedError::new("only root can end the testbed, as only root can start it"));
    }
    let _turn = turn()?;
    end(home)
}

/// One start or end at a time on this machine; the next one waits. The lock is on a folder that is there anyway, so that no file
/// of ours is left.
fn turn() -> Result<fs::File, BedError> {
    let path = Path::new("/run");
    let folder = fs::File::open(path).map_err(|e| BedError::file("open", path, &e))?;
    folder.lock().map_err(|e| BedError::file("lock", path, &e))?;
    Ok(folder)
}

fn end(home: &Home) -> Result<(), BedError> {
    let mut left = running().into_iter().chain(inner()).collect::<Vec<_>>();
    // The first process of the namespace; its parent ends by that.
    for pid in left.iter().rev() {
        let _ = kill_process(*pid, Signal::KILL);
    }
    let limit = Instant::now() + END;
    while !left.is_empty() {
        left.retain(|pid| start_time(*pid).is_some());
        if Instant::now() > limit {
            return Err(BedError::new(format!(
                "the testbed (process {}) has not ended {} s after SIGKILL: the kernel waits for something, which its \
                 log may tell",
                left.first().map_or(0, |pid| pid.as_raw_nonzero().get()),
                END.as_secs()
            )));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // The kernel takes the namespace's links down in its own time; the next start is not to find this one. Mostly it is gone.
    let _ = Command::new("ip").args(["link", "delete", LINK]).stderr(Stdio::null()).status();
    remove_groups()?;
    let other = other_home(home).map(|other| Home::at(other).state());
    for folder in other.into_iter().chain([home.state(), Path::new(home::RUN).to_owned()]) {
        remove(&folder)?;
    }
    Ok(())
}

/// The folder of the testbed that runs, where it is not this one.
fn other_home(home: &Home) -> Option<PathBuf> {
    let known = PathBuf::from(fs::read_to_string(home::run("home-of")).ok()?);
    (known != home.path()).then_some(known)
}

/// The holder's `unshare`, by the id and the start time that it wrote down: an id alone may belong to another by now.
fn running() -> Option<Pid> {
    let known = fs::read_to_string(home::run("pid")).ok()?;
    let (id, started) = known.trim().split_once(' ')?;
    let pid = Pid::from_raw(id.parse().ok()?)?;
    (start_time(pid)? == started).then_some(pid)
}

/// The first process of the testbed's namespace, by its id outside.
pub(crate) fn inner() -> Option<Pid> {
    let outer = running()?.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).ok()?;
    Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
}

/// Field 22 of `/proc/PID/stat` (proc(5)); nothing for a process that has ended and is not yet reaped.
fn start_time(pid: Pid) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    (fields.next()? != "Z").then(|| fields.nth(18).map(str::to_owned))?
}

fn launch(home: &Home, app: &Path) -> Result<(), BedError> {
    let (state, own) = (home.state(), home.path());
    fs::DirBuilder::new()
        .mode(0o700)
        .create(home::RUN)
        .map_err(|e| BedError::file("make the folder", home::RUN, &e))?;
    for folder in [&state, &own.join("images"), &home::run("log"), &home::run("app"), &home::run("home")] {
        fs::create_dir_all(folder).map_err(|e| BedError::file("make the folder", folder, &e))?;
    }
    place(app)?;
    let write = |name: &str, text: &[u8]| {
        fs::write(home::run(name), text).map_err(|e| BedError::file("write", home::run(name), &e))
    };
    write("app/made-of", identity(app).as_bytes())?;
    write("home-of", own.as_os_str().as_encoded_bytes())?;
    let log = fs::File::create(home::run("log/holder.log"));
    let log = log.map_err(|e| BedError::file("write", home::run("log/holder.log"), &e))?;
    let both = log.try_clone().map_err(|e| BedError::file("write", home::run("log/holder.log"), &e))?;
    let this = std::env::current_exe().map_err(|e| BedError::new(format!("cannot find myself: {e}")))?;
    // The first shell tells its id, which the exec keeps, before there is anything to be found by it. The second one is inside:
    // folders of the user's may have spaces and longer names than a socket's address takes, and get short ones there.
    // It goes on only if what is written down is still its own id: else an end or another start came between.
    let tell = "export OUTER=$$; echo $$ $(cut -d' ' -f22 /proc/$$/stat) > \"$0/pid.new\"; mv \"$0/pid.new\" \"$0/pid\"; \
                exec \"$@\"";
    let bind = "run=$1; home=$2; shift 2; [ \"$(cut -d' ' -f1 \"$run/pid\")\" = $OUTER ]; \
                for one in bin debian manifests images state; do mkdir -p \"$run/$one\"; \
                mount --bind \"$home/$one\" \"$run/$one\"; done; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-ec", tell, home::RUN, "unshare"]);
    command.args(["--mount", "--pid", "--fork", "--mount-proc", "--net", "--uts", "--ipc"]);
    command.args(["--kill-child=KILL", "--", "sh", "-ec", bind, "sh", home::RUN]);
    command.arg(own).arg(home.debian("usr/bin/tini-static")).arg("--").arg(this).arg("hold");
    command.stdin(Stdio::null()).stdout(log).stderr(both).process_group(0);
    command.spawn().map(drop).map_err(|e| BedError::new(format!("cannot start `unshare`: {e}")))
}

/// What tells one build of the app from another.
fn identity(app: &Path) -> String {
    let data = fs::metadata(app).ok();
    format!("{} {:?}", app.display(), data.map(|data| (data.len(), data.modified().ok())))
}

/// Lays the binary down for the images, without its symbols where the tool for that is there: they are half of a debug build.
fn place(app: &Path) -> Result<(), BedError> {
    let to = home::run("app/tidegate");
    let stripped = Command::new("strip").arg("-o").arg(&to).arg(app).output();
    if stripped.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    fs::copy(app, &to).map(drop).map_err(|e| BedError::file("copy the app from", app, &e))
}

async fn wait_for(bed: &Bed) -> Result<(), BedError> {
    let end = Instant::now() + WORLD;
    while bed.ask(Request::Status, &|_| ()).await.is_err() {
        let gone = running().is_none() && end - Instant::now() < WORLD - Duration::from_secs(2);
        if gone || Instant::now() > end {
            let log = tail(&home::run("log/holder.log"));
            return Err(BedError { why: "the testbed's namespaces could not be made".to_owned(), log });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Wires the host to the bridge, and tells it the way to pods and Services; what is so already stays so.
fn wire() -> Result<(), BedError> {
    let inner = inner().ok_or_else(|| BedError::new("the testbed ended as soon as it had begun"))?;
    let inner = inner.as_raw_nonzero();
    let mut lines = vec![
        format!("[ -e /sys/class/net/{LINK} ] || ip link add {LINK} type veth peer name host netns {inner}"),
        format!("nsenter --target {inner} --net -- ip link set host master bed0 up"),
        format!("ip address replace {}/24 dev {LINK}", address::HOST),
        format!("ip link set {LINK} up"),
        format!("ip route replace {} via {}", address::SERVICES, address::node(1)),
    ];
    for number in 1..=3 {
        lines.push(format!("ip route replace {} via {}", address::pods(number), address::node(number)));
    }
    for line in lines {
        let output = Command::new("sh").args(["-c", &line]).output();
        let output = output.map_err(|e| BedError::new(format!("cannot start `sh`: {e}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(BedError::new(format!("`{line}` failed: {}", said.trim())));
        }
    }
    Ok(())
}

/// Removes the empty control groups, the innermost first. The kernel may need a moment after the last process.
fn remove_groups() -> Result<(), BedError> {
    let mounted = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
    let roots = mounted.chain([Path::new("/sys/fs/cgroup").to_owned()]);
    for root in roots.map(|root| root.join(home::CGROUP)).filter(|root| root.is_dir()) {
        for _ in 0..100 {
            remove_group(&root);
            if !root.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        if root.exists() {
            let why =
                format!("the control group {} cannot be removed: something runs in it still", root.display());
            return Err(BedError::new(why));
        }
    }
    Ok(())
}

fn remove_group(group: &Path) {
    let inner = fs::read_dir(group).into_iter().flatten().flatten().map(|entry| entry.path());
    inner.filter(|path| path.is_dir()).for_each(|path| remove_group(&path));
    // What cannot go yet is tried again.
    let _ = fs::remove_dir(group);
}

fn remove(folder: &Path) -> Result<(), BedError> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(BedError::file("remove", folder, &e)),
        _ => Ok(()),
    }
}
