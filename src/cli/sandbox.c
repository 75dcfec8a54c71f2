#include "cli/sandbox.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The leak checker traces its own process, and the others have needs of their
 * own: in their builds there is no sandbox. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZER 1
#endif
#endif
#ifndef SANITIZER
#define SANITIZER 0
#endif

/*
 * Files. What newer kernels know than the headers that we are built with.
 */

#define RIGHT_TRUNCATE (1ULL << 14)
#define SCOPE_SIGNAL (1ULL << 1)

struct ruleset {
    uint64_t files, ports, scopes;
};

/* Every kernel knows the rights of those before it and a few more. What it
 * knows and nobody is allowed is refused. */
static const struct {
    int abi;
    uint64_t rights;
} known_rights[] = {
    {1, (1ULL << 13) - 1},
    {2, (1ULL << 14) - 1}, /* to move files to other directories */
    {3, (1ULL << 15) - 1}, /* to truncate */
    {5, (1ULL << 16) - 1}, /* to command devices */
};

#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_RIGHTS                                                \
    (READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE | \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |    \
     LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define FILE_RIGHTS                                                 \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
     RIGHT_TRUNCATE)

/* What libraries open when they like: names of hosts, certificates of others,
 * time zones, modules. Of /proc the server reads its own size and the kernel's
 * switches; a directory of a process would not do, since the kernel forgets
 * and remakes it. What is secret there takes the right to trace the process,
 * which ends at the sandbox. */
static const char *const libraries[] = {
    "/etc",        "/usr",
    "/lib",        "/lib64",
    "/proc",       "/sys/devices/system/cpu",
    "/dev/null",   "/dev/urandom",
    "/dev/random", "/run/systemd/resolve",
};

void
sandbox_init(struct sandbox *sandbox)
{
    *sandbox = (struct sandbox){.ruleset = -1};
    if (SANITIZER)
        return;
    sandbox->abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
                                LANDLOCK_CREATE_RULESET_VERSION);
    for (size_t i = 0; i < COUNT(known_rights); i++)
        if (sandbox->abi >= known_rights[i].abi)
            sandbox->rights = known_rights[i].rights;
    const struct ruleset ruleset = {.files = sandbox->rights,
                                    .scopes = sandbox->abi >= 6 ? SCOPE_SIGNAL
                                                                : 0};

    /* Older kernels take the longer struct while the rest of it is zero. */
    if (sandbox->abi > 0)
        sandbox->ruleset = (int)syscall(SYS_landlock_create_ruleset, &ruleset,
                                        sizeof(ruleset), 0);
    for (size_t i = 0; i < COUNT(libraries); i++)
        sandbox_allow(sandbox, libraries[i], SANDBOX_READ);
    sandbox_allow_file(sandbox, "/etc/resolv.conf");
}

void
sandbox_done(struct sandbox *sandbox)
{
    if (sandbox->ruleset >= 0)
        close(sandbox->ruleset);
    sandbox->ruleset = -1;
}

void
sandbox_allow(struct sandbox *sandbox, const char *path,
              enum sandbox_access access)
{
    uint64_t rights = access == SANDBOX_WRITE ? WRITE_RIGHTS : READ_RIGHTS;
    struct landlock_path_beneath_attr rule = {
        .parent_fd = open(path, O_PATH | O_CLOEXEC)};
    struct stat st;

    if (rule.parent_fd < 0)
        return;
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rights &= FILE_RIGHTS;
    rule.allowed_access = rights & sandbox->rights;
    /* If it fails there is no rule, and the path stays forbidden. */
    syscall(SYS_landlock_add_rule, sandbox->ruleset, LANDLOCK_RULE_PATH_BENEATH,
            &rule, 0);
    close(rule.parent_fd);
}

static bool
same_directory(const char *one, const char *other)
{
    struct stat a, b;

    return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static void
allow_directory_of(struct sandbox *sandbox, const char *path)
{
    const char *home = getenv("HOME");
    char copy[PATH_MAX];

    if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
        return;
    const char *directory = dirname(copy);

    if (!same_directory(directory, "/") &&
        (home == NULL || !same_directory(directory, home)))
        sandbox_allow(sandbox, directory, SANDBOX_READ);
}

void
sandbox_allow_file(struct sandbox *sandbox, const char *path)
{
    char *real = realpath(path, NULL);

    if (real == NULL)
        return;
    sandbox_allow(sandbox, path, SANDBOX_READ);
    allow_directory_of(sandbox, path);
    allow_directory_of(sandbox, real);
    free(real);
}

/*
 * Calls. A list of what is refused, not of what is allowed: which calls the
 * libraries make changes with each of their versions, and a server that stops
 * after an upgrade is a sandbox that somebody switches off. With Landlock and
 * without privileges the rest is files and sockets.
 *
 * A refusal is EPERM, with which libraries live that only try. Running a
 * program is the end of the process instead: nothing here ever does it but
 * somebody who has taken over, and who should not have a second try.
 */

#define REFUSED SCMP_ACT_ERRNO(EPERM)
#define ALL 0xffffffffU /* arguments are 32 bits; the kernel drops the rest */

static const struct refusal {
    int call;
    uint32_t action;
    unsigned count; /* of conditions that must all hold */
    struct scmp_arg_cmp when[2];
} refusals[] = {
#define NEVER(name)                 \
    {                               \
        SCMP_SYS(name), REFUSED, 0, \
        {                           \
            {                       \
                0                   \
            }                       \
        }                           \
    }
#define NEVER_IF(name, arg, mask, value)             \
    {                                                \
        SCMP_SYS(name), REFUSED, 1,                  \
        {                                            \
            {                                        \
                arg, SCMP_CMP_MASKED_EQ, mask, value \
            }                                        \
        }                                            \
    }
    /* Other programs. */
    {SCMP_SYS(execve), SCMP_ACT_KILL_PROCESS, 0, {{0}}},
    {SCMP_SYS(execveat), SCMP_ACT_KILL_PROCESS, 0, {{0}}},
    /* Other processes: threads only. The flags of clone3 cannot be seen from
     * here, and libc takes this answer for an old kernel's. */
    {SCMP_SYS(clone3), SCMP_ACT_ERRNO(ENOSYS), 0, {{0}}},
    NEVER_IF(clone, 0, CLONE_THREAD, 0),
    NEVER(fork),
    NEVER(vfork),
    NEVER(ptrace),
    NEVER(process_vm_readv),
    NEVER(process_vm_writev),
    NEVER(process_madvise),
    NEVER(pidfd_getfd),
    NEVER(kcmp),
    /* Another view of the system. */
    NEVER_IF(clone, 0, CLONE_NEWNS, CLONE_NEWNS),
    NEVER_IF(clone, 0, CLONE_NEWCGROUP, CLONE_NEWCGROUP),
    NEVER_IF(clone, 0, CLONE_NEWUTS, CLONE_NEWUTS),
    NEVER_IF(clone, 0, CLONE_NEWIPC, CLONE_NEWIPC),
    NEVER_IF(clone, 0, CLONE_NEWUSER, CLONE_NEWUSER),
    NEVER_IF(clone, 0, CLONE_NEWPID, CLONE_NEWPID),
    NEVER_IF(clone, 0, CLONE_NEWNET, CLONE_NEWNET),
    NEVER(unshare),
    NEVER(setns),
    NEVER(chroot),
    NEVER(pivot_root),
    NEVER(mount),
    NEVER(umount),
    NEVER(umount2),
    NEVER(open_tree),
    NEVER(move_mount),
    NEVER(fsopen),
    NEVER(fsconfig),
    NEVER(fsmount),
    NEVER(fspick),
    NEVER(mount_setattr),
    NEVER(open_by_handle_at),
    NEVER(name_to_handle_at),
    NEVER(mknod),
    NEVER(mknodat),
    NEVER(fanotify_init),
    /* The machine. */
    NEVER(kexec_load),
    NEVER(kexec_file_load),
    NEVER(init_module),
    NEVER(finit_module),
    NEVER(delete_module),
    NEVER(reboot),
    NEVER(swapon),
    NEVER(swapoff),
    NEVER(acct),
    NEVER(quotactl),
    NEVER(quotactl_fd),
    NEVER(syslog),
    NEVER(vhangup),
    NEVER(sethostname),
    NEVER(setdomainname),
    NEVER(settimeofday),
    NEVER(stime),
    NEVER(clock_settime),
    NEVER(clock_adjtime),
    NEVER(adjtimex),
    NEVER(iopl),
    NEVER(ioperm),
    /* Parts of the kernel that are large, and seldom without a fault. */
    NEVER(bpf),
    NEVER(perf_event_open),
    NEVER(userfaultfd),
    NEVER(io_uring_setup),
    NEVER(io_uring_enter),
    NEVER(io_uring_register),
    NEVER(add_key),
    NEVER(request_key),
    NEVER(keyctl),
    NEVER(personality),
    NEVER(modify_ldt),
    NEVER(uselib),
    NEVER(lookup_dcookie),
    NEVER(move_pages),
    NEVER(migrate_pages),
    /* Keys into the terminal that the server was started from. */
    NEVER_IF(ioctl, 1, ALL, TIOCSTI),
    NEVER_IF(ioctl, 1, ALL, TIOCLINUX),
    /* Sockets: TCP and UDP, local ones, and of netlink what names of hosts
     * take. refuse_families() has those below AF_NETLINK. */
    {SCMP_SYS(socket), REFUSED, 1, {{0, SCMP_CMP_GT, AF_NETLINK, 0}}},
    {SCMP_SYS(socket),
     REFUSED,
     2,
     {{0, SCMP_CMP_MASKED_EQ, ALL, AF_NETLINK},
      {2, SCMP_CMP_NE, NETLINK_ROUTE, 0}}},
    {SCMP_SYS(socket),
     REFUSED,
     2,
     {{0, SCMP_CMP_MASKED_EQ, ALL, AF_INET},
      {1, SCMP_CMP_MASKED_EQ, 0xf, SOCK_RAW}}},
    {SCMP_SYS(socket),
     REFUSED,
     2,
     {{0, SCMP_CMP_MASKED_EQ, ALL, AF_INET6},
      {1, SCMP_CMP_MASKED_EQ, 0xf, SOCK_RAW}}},
#undef NEVER
#undef NEVER_IF
};

static int
refuse(scmp_filter_ctx filter, const struct refusal *row)
{
    return seccomp_rule_add_array(filter, row->action, row->call, row->count,
                                  row->when);
}

/* One by one, for a rule cannot ask twice about one argument. */
static int
refuse_families(scmp_filter_ctx filter)
{
    int rc = 0;

    for (unsigned family = 0; rc == 0 && family < AF_NETLINK; family++) {
        const struct refusal row = {SCMP_SYS(socket),
                                    REFUSED,
                                    1,
                                    {{0, SCMP_CMP_MASKED_EQ, ALL, family}}};

        if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
            rc = refuse(filter, &row);
    }
    return rc;
}

/* 0, or a negative errno. */
static int
refuse_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int rc = filter ? 0 : -ENOMEM;

    /* A tree of numbers instead of a list, for kernels that do not remember
     * by themselves which calls are always allowed (before 5.11). */
    if (rc == 0)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (rc == 0)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
    for (size_t i = 0; rc == 0 && i < COUNT(refusals); i++)
        rc = refuse(filter, &refusals[i]);
    if (rc == 0)
        rc = refuse_families(filter);
    if (rc == 0)
        rc = seccomp_load(filter);
    if (filter != NULL)
        seccomp_release(filter);
    return rc;
}

enum error_code
sandbox_enter(struct sandbox *sandbox, struct error *err)
{
    if (SANITIZER)
        return error_set(err, ERR_UNAVAILABLE,
                         "there is no sandbox in a build with a sanitizer");
    /* Both need it: no program that could be run may do more than we. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return error_set(err, ERR_UNAVAILABLE, "no sandbox: %s",
                         strerrordesc_np(errno));
    sandbox->files = sandbox->ruleset >= 0 &&
                     syscall(SYS_landlock_restrict_self, sandbox->ruleset, 0) ==
                         0;
    int rc = refuse_calls();

    sandbox->calls = rc == 0;
    if (!sandbox->calls)
        return error_set(err, ERR_UNAVAILABLE,
                         "cannot refuse calls to the kernel (seccomp): %s",
                         strerrordesc_np(-rc));
    if (!sandbox->files)
        return error_set(err, ERR_UNAVAILABLE,
                         "the kernel does not limit access to files "
                         "(Landlock)");
    return ERR_OK;
}
