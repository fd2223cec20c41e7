"""Lays out /usr/lib/hilum and the files around it, and packs them with dpkg-deb. See package."""
import argparse, gzip, hashlib, os, re, shutil, subprocess, sys, tempfile, textwrap
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ["hilum", "hilum-dicom", "hilum-view"]
SCRIPTS = ["orthanc-feed"]
HOME = "usr/lib/hilum"


def output(*words, **options) -> str:
    return subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def git(*words) -> str:
    return output("git", "-C", ROOT, *words).strip()


# MARK: Programs and libraries

def foreign_libraries(programs: list[Path]) -> list[Path]:
    """The libraries that programs load and no Debian package has."""
    loaded: set[str] = set()
    for program in programs:
        text = output("ldd", program)
        if "not found" in text:
            sys.exit(f"package: {program.name} needs a library that is not there:\n{text}")
        loaded |= set(re.findall(r"=> (\S+) \(", text))
    # Where /lib links to /usr/lib, a package may have listed either name.
    names = {path: {path, path.removeprefix("/usr"), "/usr" + path.removeprefix("/usr"), os.path.realpath(path)} for path in loaded}
    # Fails where it does not know one of them, and says what it knows of the others.
    known = subprocess.run(["dpkg-query", "--search", *set().union(*names.values())], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    packaged = {line.partition(": ")[2] for line in known.stdout.splitlines()}
    return sorted(Path(path) for path in loaded if not names[path] & packaged)


def settle_search_path(file: Path) -> None:
    """Makes the loader look beside the file alone, not in the folders of the machine that built it."""
    match = re.search(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", output("readelf", "-d", "-W", file))
    if not match or match.group(1) == "$ORIGIN":
        return
    octets, old, new = file.read_bytes(), match.group(1).encode(), b"$ORIGIN"
    if octets.count(b"\0" + old + b"\0") != 1 or len(old) < len(new):
        sys.exit(f"package: the search path of {file.name} cannot be changed: {match.group(1)}")
    file.write_bytes(octets.replace(b"\0" + old + b"\0", b"\0" + new + bytes(len(old) - len(new)) + b"\0"))


def install_programs(build: Path, root: Path) -> list[Path]:
    home = root / HOME
    home.mkdir(parents=True)
    binaries = []
    for name in PROGRAMS:
        if (build / name).exists():
            shutil.copy(build / name, home / name)
            binaries.append(home / name)
        elif name == "hilum":
            sys.exit(f"package: there is no {build / name}; run tools/build")
    for library in foreign_libraries(binaries):
        shutil.copy(os.path.realpath(library), home / library.name)
        binaries.append(home / library.name)
    for resources in sorted(build.glob("Hilum_*.resources")):
        shutil.copytree(resources, home / resources.name)
    for binary in binaries:
        subprocess.run(["strip", "--strip-unneeded", "--remove-section=.comment", str(binary)], check=True)
        settle_search_path(binary)
    for name in SCRIPTS:
        shutil.copy(ROOT / "tools" / name, home / name)
    links = root / "usr/bin"
    links.mkdir(parents=True)
    for name in ("hilum", "hilum-view"):
        if (home / name).exists():
            (links / name).symlink_to(f"../lib/hilum/{name}")
    return binaries


def dependencies(binaries: list[Path], work: Path) -> str:
    """What dpkg-shlibdeps says of the binaries, those beside them apart."""
    (work / "debian").mkdir()
    (work / "debian/control").write_text("Source: hilum\n\nPackage: hilum\nArchitecture: any\n")
    words = ["dpkg-shlibdeps", "-O", "--ignore-missing-info", f"-l{binaries[0].parent}"] + [f"-e{binary}" for binary in binaries]
    # It warns of libraries that are linked and not used; nothing here changes that.
    line = output(*words, cwd=work, stderr=subprocess.DEVNULL)
    return line.strip().removeprefix("shlibs:Depends=")


# MARK: Man page

def roff(text: str) -> str:
    text = text.replace("\\", "\\e")
    for letter, name in (("-", "\\-"), ("'", "\\(aq"), ("`", "\\(ga"), ("^", "\\(ha"), ("~", "\\(ti")):
        text = text.replace(letter, name)
    return "\\&" + text if text.startswith(".") else text


def man_options(lines: list[str]) -> list[str]:
    """The lines under 'Options:', as a list of tagged paragraphs."""
    entries: list[list[str]] = []
    for line in lines:
        match = re.match(r"^ {2}(?:(-\w), | {4})(--\S+(?: [^ ]+)*?)(?: {2,}(\S.*))?$", line)
        if match:
            name = f"{match.group(1)}, {match.group(2)}" if match.group(1) else match.group(2)
            entries.append([name, match.group(3) or ""])
        elif entries:
            entries[-1][1] += " " + line.strip()
    page = []
    for name, text in entries:
        page += [".TP", f".B {roff(name)}", roff(text.strip())]
    return page


def man_verb(name: str, text: str) -> list[str]:
    """The page of a verb as a section."""
    page = [f".SS {roff(name)}"]
    blocks = re.split(r"\n\n", text.strip("\n"))
    for block in blocks:
        lines = block.splitlines()
        if lines[0].startswith("usage:"):
            page += [".nf"] + [f".B {roff(line.removeprefix('usage:').strip())}" for line in lines] + [".fi", ".PP"]
        elif lines[0] == "Options:":
            page += man_options(lines[1:])
        elif lines[0] in ("Example:", "Examples:"):
            for line in lines[1:]:
                page += [roff(line.strip())] if line.startswith("      ") else [".TP", f".B {roff(line.strip())}"]
        else:
            page += [".PP", roff(" ".join(lines))]
    return page


def man_page(program: Path, version: str, moment: datetime) -> str:
    head = output(program, "help")
    verbs = re.findall(r"^  ([a-z][a-z-]*)  +(\S.*)$", head, re.M)
    blocks = head.strip().split("\n\n")
    first, rest = blocks[0], blocks[3:]
    page = [
        f'.TH HILUM 1 "{moment:%Y-%m-%d}" "hilum {version}" "User Commands"', ".nh", ".ad l", ".SH NAME",
        "hilum \\- search for similar cases among medical images and reports", ".SH SYNOPSIS", ".B hilum", "VERB [OPTION...] [OPERAND...]",
        ".SH DESCRIPTION", roff(" ".join(first.splitlines())), ".SH VERBS",
    ]
    for name, text in verbs:
        page += [".TP", f".B {roff(name)}", roff(text)]
    page.append(".SH NOTES")
    # 'Exit status: …' and 'Environment: …' go on over several lines.
    for block in rest:
        for paragraph in re.split(r"\n(?=[A-Z][a-z]+(?: [a-z]+)?: )", block):
            page += [".PP", roff(" ".join(paragraph.splitlines()))]
    page.append(".SH EACH VERB")
    for name, _ in verbs:
        page += man_verb(name, output(program, "help", name))
    page += [".SH FILES", ".TP", ".I /var/lib/hilum/archive", "the archive of hilum.service", ".TP", ".I /run/hilum/hilum.sock", "its socket",
             ".TP", ".I /etc/default/hilum", "its environment"]
    return "\n".join(line for line in page if line) + "\n"


# MARK: Other files

def write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def write_packed(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode("utf-8"), 9, mtime=0))


def copyright_text(root: Path) -> str:
    """Whose work the package holds; the licence of Hilum itself is that of the source tree."""
    licence = ROOT / "LICENSE"
    stated = "".join(f" {line}\n" if line.strip() else " .\n" for line in licence.read_text().splitlines()) if licence.exists() else (
        " The source tree holds no licence file. Ask its authors before you pass this package on.\n")
    text = textwrap.dedent("""\
        Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
        Upstream-Name: hilum

        Files: *
        Copyright: The authors of Hilum
        License: Hilum

        Files: usr/lib/hilum/Hilum_HilumMCR.resources/stem-efficientnet-lite0/*
        Copyright: 2020 The TensorFlow Authors; 2020 ML Illustrated
        License: Apache-2.0
        """)
    if any((root / HOME).glob("libswift*.so")):
        text += textwrap.dedent("""
            Files: usr/lib/hilum/lib*.so
            Copyright: 2014-2026 Apple Inc. and the Swift project authors
            License: Apache-2.0-with-Swift-exception

            Files: usr/lib/hilum/lib_FoundationICU.so
            Copyright: 2016-2026 Unicode, Inc.
            License: Unicode-3.0
            """)
    else:
        # Those of tools/build have the libraries inside.
        text += textwrap.dedent("""
            Files: usr/lib/hilum/hilum usr/lib/hilum/hilum-*
            Copyright: The authors of Hilum
             2014-2026 Apple Inc. and the Swift project authors
             2016-2026 Unicode, Inc.
            License: Hilum and Apache-2.0-with-Swift-exception and Unicode-3.0
            """)
    text += f"\nLicense: Hilum\n{stated}"
    apache = " On Debian systems the text of the Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0.\n"
    text += f"\nLicense: Apache-2.0\n{apache}"
    if "Swift-exception" in text:
        text += (f"\nLicense: Apache-2.0-with-Swift-exception\n{apache}"
                 " As an exception, if you use this Software to compile your source code and portions of this Software are embedded into\n"
                 " the binary product as a result, you may redistribute such product without providing attribution as would otherwise be\n"
                 " required by Sections 4(a), 4(b) and 4(d) of the License.\n")
        text += ("\nLicense: Unicode-3.0\n Permission is granted, free of charge, to use, copy, change and pass on the data files and software, under the\n"
                 " condition that this notice comes along; see https://www.unicode.org/license.txt for the whole text.\n")
    return text


DEFAULTS = """\
# The environment of hilum.service; see hilum(1).
#HILUM_LOG=info
#HILUM_THREADS=4
# Before the first start: what becomes of identifiers of patients (mask, require, off).
#HILUM_DEID=mask
"""

POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    if command -v systemd-sysusers >/dev/null 2>&1; then
        systemd-sysusers hilum.conf
    fi
    if command -v systemd-tmpfiles >/dev/null 2>&1; then
        systemd-tmpfiles --create hilum.conf || true
    fi
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
        if [ -n "$2" ]; then
            deb-systemd-invoke try-restart hilum.service hilum-orthanc.service >/dev/null || true
        fi
    fi
fi
"""

PRERM = """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop hilum.socket hilum.service hilum-orthanc.service hilum-reembed.timer >/dev/null || true
fi
"""

POSTRM = """\
#!/bin/sh
set -e
# Archives stay where they are, also after a purge.
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
"""

OVERRIDES = """\
# The runtime of Swift is in no Debian package; it lies beside the programs that use it.
hilum: embedded-library
hilum: library-not-linked-against-libc
hilum: shared-library-lacks-prerequisites
"""


def lay_out(root: Path, version: str, maintainer: str, moment: datetime) -> None:
    """Everything but programs and control files."""
    units = root / "lib/systemd/system"
    units.mkdir(parents=True)
    for name in ("hilum.service", "hilum.socket", "hilum-orthanc.service", "hilum-reembed.service", "hilum-reembed.timer"):
        shutil.copy(ROOT / "tools/systemd" / name, units / name)
    write(root / "usr/lib/sysusers.d/hilum.conf", (ROOT / "tools/systemd/hilum.sysusers").read_text())
    write(root / "usr/lib/tmpfiles.d/hilum.conf", (ROOT / "tools/systemd/hilum.tmpfiles").read_text())
    write(root / "etc/default/hilum", DEFAULTS)
    write(root / "usr/share/bash-completion/completions/hilum", (ROOT / "tools/completion.bash").read_text())
    write_packed(root / "usr/share/man/man1/hilum.1.gz", man_page(root / HOME / "hilum", version, moment))
    if (root / "usr/bin/hilum-view").exists():
        write_packed(root / "usr/share/man/man1/hilum-view.1.gz", ".so man1/hilum.1\n")
    documents = root / "usr/share/doc/hilum"
    write(documents / "copyright", copyright_text(root))
    write_packed(documents / "changelog.gz", (
        f"hilum ({version}) unstable; urgency=medium\n\n  * Built from commit {git('rev-parse', 'HEAD')}.\n\n"
        f" -- {maintainer}  {format_datetime(moment)}\n"))
    write(root / "usr/share/lintian/overrides/hilum", OVERRIDES)


def control(root: Path, version: str, maintainer: str, depends: str) -> None:
    size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    architecture = output("dpkg", "--print-architecture").strip()
    folder = root / "DEBIAN"
    write(folder / "control", textwrap.dedent(f"""\
        Package: hilum
        Version: {version}
        Architecture: {architecture}
        Maintainer: {maintainer}
        Installed-Size: {size // 1024 + 1}
        Depends: {depends}
        Recommends: libopenblas0, python3
        Suggests: orthanc
        Section: science
        Priority: optional
        Description: search for similar cases among medical images and reports
         Hilum finds similar cases in an archive of medical images and reports: by an
         image, by a phrase, or by a case that is already stored. It answers over a
         Unix socket or on the command line, on one machine without a GPU or a network.
         .
         hilum.service serves an archive, and hilum.socket starts it when it is needed.
         OpenBLAS is used for training and evaluation only, Python by the feed from Orthanc.
        """))
    write(folder / "conffiles", "/etc/default/hilum\n")
    for name, text in (("postinst", POSTINST), ("prerm", PRERM), ("postrm", POSTRM)):
        write(folder / name, text, 0o755)
    sums = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and not path.is_symlink() and name.parts[0] not in ("DEBIAN", "etc"):
            sums.append(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {name}\n")
    write(folder / "md5sums", "".join(sums))


def settle(root: Path, epoch: int) -> None:
    """The same modes and times, whoever packs."""
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            is_program = path.parent == root / HOME and path.name in PROGRAMS + SCRIPTS
            is_script = path.parent == root / "DEBIAN" and path.name in ("postinst", "prerm", "postrm")
            path.chmod(0o755 if path.is_dir() or is_program or is_script else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--compression", choices=["xz", "none"], default="xz")
    arguments = parser.parse_args()
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct"))
    moment = datetime.fromtimestamp(epoch, timezone.utc)
    name = os.environ.get("DEBFULLNAME") or git("log", "-1", "--format=%an")
    maintainer = f"{name} <{os.environ.get('DEBEMAIL') or git('log', '-1', '--format=%ae')}>"
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "root"
        binaries = install_programs(arguments.build_dir, root)
        release = output(binaries[0], "--version").split()[-1]
        # Later commits of a release sort behind it and behind one another.
        version = f"{release}+git{moment:%Y%m%d%H%M%S}.{git('rev-parse', '--short=8', 'HEAD')}"
        lay_out(root, version, maintainer, moment)
        control(root, version, maintainer, dependencies(binaries, Path(scratch)))
        settle(root, epoch)
        arguments.out.mkdir(parents=True, exist_ok=True)
        package = arguments.out / f"hilum_{version}_{output('dpkg', '--print-architecture').strip()}.deb"
        partial = package.with_suffix(".partial")
        # One thread, as more would cut the data elsewhere.
        words = ["--root-owner-group", f"-Z{arguments.compression}", "-z2" if arguments.compression == "xz" else "-z0", "--threads-max=1"]
        subprocess.run(["dpkg-deb", *words, "--build", str(root), str(partial)], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)})
        partial.rename(package)
    print(package)
    return 0


if __name__ == "__main__":
    sys.exit(main())
