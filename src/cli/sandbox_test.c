#include "cli/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "db/scratch.h"

/*
 * A world with a directory of the server's own, a certificate and what is none
 * of its business. Attempts are made by children that have entered the sandbox,
 * or not, with the world as their current directory.
 */

#define NOT_HERE 255 /* a build that has no sandbox */

/* 0 or errno of what was tried. */
typedef int attempt(void);

static void
write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "secret", 6), 6);
    close(fd);
}

static void
make_world(const struct scratch *scratch)
{
    assert_int_equal(chdir(scratch->dir), 0);
    assert_int_equal(mkdir("own", 0700), 0);
    assert_int_equal(mkdir("own/inner", 0700), 0);
    assert_int_equal(mkdir("tls", 0700), 0);
    assert_int_equal(mkdir("live", 0700), 0);
    assert_int_equal(mkdir("home", 0700), 0);
    write_file("own/file");
    write_file("tls/cert");
    write_file("home/cert");
    write_file("home/other");
    write_file("secret");
    assert_int_equal(symlink("../secret", "own/link"), 0);
    assert_int_equal(symlink("../tls/cert", "live/cert"), 0);
}

static int
enter(struct sandbox *sandbox, struct error *err)
{
    setenv("HOME", "home", 1);
    sandbox_init(sandbox);
    sandbox_allow(sandbox, "own", SANDBOX_WRITE);
    sandbox_allow(sandbox, "missing", SANDBOX_WRITE);
    sandbox_allow_file(sandbox, "live/cert");
    sandbox_allow_file(sandbox, "home/cert");
    return (int)sandbox_enter(sandbox, err);
}

/* The status of a child that tried. */
static int
try(attempt *what, bool inside)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        struct error err = ERROR_INIT;
        struct sandbox sandbox;

        if (inside && enter(&sandbox, &err) != ERR_OK)
            _exit(NOT_HERE);
        _exit(what());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int
nothing(void)
{
    return 0;
}

/* Kernels and builds without it leave nothing to test. */
static void
need_sandbox(void)
{
    if (try(nothing, true) != 0) {
        print_message("no sandbox here\n");
        skip();
    }
}

static int
opens(const char *path, int flags)
{
    return open(path, flags | O_CLOEXEC, 0600) >= 0 ? 0 : errno;
}

static int
succeeds(bool done)
{
    return done ? 0 : errno;
}

/*
 * Files.
 */

static int
read_own(void)
{
    return opens("own/file", O_RDWR);
}

static int
read_beside_link(void)
{
    return opens("tls/cert", O_RDONLY);
}

static int
read_alone_in_home(void)
{
    return opens("home/cert", O_RDONLY);
}

static int
read_replaced(void)
{
    return opens("live/cert", O_RDONLY);
}

static int
make_and_rename(void)
{
    return succeeds(opens("own/new", O_RDWR | O_CREAT | O_EXCL) == 0 &&
                    rename("own/new", "own/newer") == 0 &&
                    truncate("own/newer", 3) == 0 && unlink("own/newer") == 0 &&
                    mkdir("own/sub", 0700) == 0 &&
                    opens("own/sub/new", O_RDWR | O_CREAT) == 0);
}

static int
make_without_name(void)
{
    int fd = open("own", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    int memory = memfd_create("test", MFD_CLOEXEC);

    return succeeds(fd >= 0 && memory >= 0 && write(memory, "text", 4) == 4 &&
                    lseek(memory, 0, SEEK_SET) == 0 && ftruncate(fd, 3) == 0 &&
                    open("own/file", O_RDONLY | O_CLOEXEC) >= 0);
}

static int
read_system(void)
{
    struct addrinfo *found = NULL;

    return succeeds(opens("/etc/passwd", O_RDONLY) == 0 &&
                    opens("/proc/self/statm", O_RDONLY) == 0 &&
                    opens("/dev/urandom", O_RDONLY) == 0 &&
                    getaddrinfo("localhost", "80", NULL, &found) == 0);
}

static int
read_secret(void)
{
    return opens("secret", O_RDONLY);
}

static int
read_through_link(void)
{
    return opens("own/link", O_RDONLY);
}

static int
read_home(void)
{
    return opens("home/other", O_RDONLY);
}

static int
list_elsewhere(void)
{
    return opens(".", O_RDONLY | O_DIRECTORY);
}

static int
write_certificate(void)
{
    return opens("tls/cert", O_WRONLY);
}

static int
write_system(void)
{
    return opens("/etc/passwd", O_WRONLY | O_APPEND);
}

static int
make_elsewhere(void)
{
    return opens("new", O_WRONLY | O_CREAT);
}

static int
make_without_name_elsewhere(void)
{
    return opens("/tmp", O_RDWR | O_TMPFILE);
}

static int
remove_elsewhere(void)
{
    return succeeds(unlink("secret") == 0);
}

static int
move_out(void)
{
    return succeeds(rename("own/file", "file") == 0);
}

static int
move_in(void)
{
    return succeeds(link("secret", "own/secret") == 0);
}

static int
make_link(void)
{
    return succeeds(symlink("/", "own/root") == 0);
}

static const struct {
    const char *label;
    attempt *what;
    int want, other; /* errno, either */
} files[] = {
    {"its own", read_own, 0, 0},
    {"a link's target, replaced too", read_beside_link, 0, 0},
    {"a link", read_replaced, 0, 0},
    {"a file in the home directory", read_alone_in_home, 0, 0},
    {"new ones, renamed, removed", make_and_rename, 0, 0},
    {"without a name", make_without_name, 0, 0},
    {"what libraries read", read_system, 0, 0},

    {"anything else", read_secret, EACCES, EACCES},
    {"anything else by a link", read_through_link, EACCES, EACCES},
    {"the home directory", read_home, EACCES, EACCES},
    {"a list of names", list_elsewhere, EACCES, EACCES},
    {"writing what is read", write_certificate, EACCES, EACCES},
    {"writing the system's", write_system, EACCES, EACCES},
    {"a new one elsewhere", make_elsewhere, EACCES, EACCES},
    {"without a name elsewhere", make_without_name_elsewhere, EACCES, EACCES},
    {"removing elsewhere", remove_elsewhere, EACCES, EACCES},
    {"moving out", move_out, EACCES, EXDEV},
    {"linking in", move_in, EACCES, EXDEV},
    {"making links", make_link, EACCES, EACCES},
};

static int
try_in_world(attempt *what, bool inside)
{
    SCRATCH scratch = scratch_make();

    make_world(&scratch);

    int status = try(what, inside);

    assert_int_equal(chdir("/"), 0);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
only_its_own_files_are_there(void **state)
{
    (void)state;
    need_sandbox();
    for (size_t i = 0; i < COUNT(files); i++) {
        print_message("%s\n", files[i].label);
        int status = try_in_world(files[i].what, true);

        if (status != files[i].other)
            assert_int_equal(status, files[i].want);
        /* It is the sandbox that says no, but to files that only root may
         * write. */
        if (files[i].what != write_system || geteuid() == 0)
            assert_int_equal(try_in_world(files[i].what, false), 0);
    }
}

/*
 * Calls.
 */

/* With arguments that no kernel takes, so that nothing happens without a
 * sandbox either. */
static long number;

static int
call(void)
{
    return syscall(number, -1L, -1L, -1L, -1L, -1L, -1L) >= 0 ? 0 : errno;
}

static const struct {
    const char *label;
    long number;
} calls[] = {
#define CALL(name)        \
    {                     \
#name, SYS_##name \
    }
    CALL(ptrace),
    CALL(process_vm_readv),
    CALL(process_vm_writev),
    CALL(process_madvise),
    CALL(pidfd_getfd),
    CALL(unshare),
    CALL(setns),
    CALL(chroot),
    CALL(pivot_root),
    CALL(mount),
    CALL(umount2),
    CALL(open_tree),
    CALL(move_mount),
    CALL(fsopen),
    CALL(fsconfig),
    CALL(fsmount),
    CALL(fspick),
    CALL(mount_setattr),
    CALL(open_by_handle_at),
    CALL(name_to_handle_at),
    CALL(mknodat),
    CALL(kexec_load),
    CALL(init_module),
    CALL(finit_module),
    CALL(delete_module),
    CALL(reboot),
    CALL(swapon),
    CALL(swapoff),
    CALL(acct),
    CALL(syslog),
    CALL(sethostname),
    CALL(setdomainname),
    CALL(settimeofday),
    CALL(clock_settime),
    CALL(clock_adjtime),
    CALL(adjtimex),
    CALL(bpf),
    CALL(perf_event_open),
    CALL(userfaultfd),
    CALL(io_uring_setup),
    CALL(io_uring_enter),
    CALL(io_uring_register),
    CALL(add_key),
    CALL(request_key),
    CALL(keyctl),
    CALL(personality),
#undef CALL
};

static void
calls_that_no_server_makes_are_refused(void **state)
{
    (void)state;
    need_sandbox();
    for (size_t i = 0; i < COUNT(calls); i++) {
        print_message("%s\n", calls[i].label);
        number = calls[i].number;
        int status = try(call, true);

        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), EPERM);
        /* Others may not do most of it anyway. */
        if (geteuid() == 0)
            assert_int_not_equal(WEXITSTATUS(try(call, false)), EPERM);
    }
}

static int
run_program(void)
{
    return execl("/bin/true", "true", NULL) == 0 ? 0 : errno;
}

static int
run_descriptor(void)
{
    char *const arguments[] = {NULL};
    int fd = open("/bin/true", O_PATH | O_CLOEXEC);

    return fexecve(fd, arguments, arguments) == 0 ? 0 : errno;
}

static void
a_program_is_the_end(void **state)
{
    static attempt *const ways[] = {run_program, run_descriptor};

    (void)state;
    need_sandbox();
    for (size_t i = 0; i < COUNT(ways); i++) {
        int status = try(ways[i], true);

        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
        assert_int_equal(try(ways[i], false), 0);
    }
}

static int
make_process(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    return succeeds(child > 0);
}

static int
make_namespace(void)
{
    return succeeds(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) >=
                    0);
}

static int
signal_parent(void)
{
    return succeeds(kill(getppid(), 0) == 0);
}

static int
type_for_the_terminal(void)
{
    return succeeds(ioctl(-1, TIOCSTI, "x") == 0);
}

static void *
in_thread(void *context)
{
    *(int *)context = opens("/root", O_RDONLY | O_DIRECTORY);
    return NULL;
}

static int
list_in_thread(void)
{
    pthread_t thread;
    int result = -1;

    if (pthread_create(&thread, NULL, in_thread, &result) != 0)
        return NOT_HERE;
    pthread_join(thread, NULL);
    return result;
}

static void
threads_are_made_inside_and_processes_are_not(void **state)
{
    (void)state;
    need_sandbox();
    assert_int_equal(WEXITSTATUS(try(make_process, true)), EPERM);
    assert_int_equal(WEXITSTATUS(try(make_process, false)), 0);
    assert_int_equal(WEXITSTATUS(try(make_namespace, true)), EPERM);
    assert_int_equal(WEXITSTATUS(try(list_in_thread, true)), EACCES);
    assert_int_equal(WEXITSTATUS(try(type_for_the_terminal, true)), EPERM);
    assert_int_equal(WEXITSTATUS(try(type_for_the_terminal, false)), EBADF);

    struct sandbox sandbox;

    sandbox_init(&sandbox);
    if (sandbox.abi >= 6)
        assert_int_equal(WEXITSTATUS(try(signal_parent, true)), EPERM);
    sandbox_done(&sandbox);
    assert_int_equal(WEXITSTATUS(try(signal_parent, false)), 0);
}

static int family, type, protocol;

static int
make_socket(void)
{
    return succeeds(socket(family, type, protocol) >= 0);
}

static const struct {
    const char *label;
    int family, type, protocol, want;
} sockets[] = {
    {"TCP", AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, 0},
    {"UDP over IPv6", AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0, 0},
    {"local", AF_UNIX, SOCK_STREAM, 0, 0},
    {"routes", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE, 0},
    {"audit", AF_NETLINK, SOCK_RAW, NETLINK_AUDIT, EPERM},
    {"packets", AF_PACKET, SOCK_RAW, 0, EPERM},
    {"raw IP", AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1, EPERM},
    {"raw IPv6", AF_INET6, SOCK_RAW, 58, EPERM},
    {"X.25", AF_X25, SOCK_SEQPACKET, 0, EPERM},
    {"the kernel's ciphers", AF_ALG, SOCK_SEQPACKET, 0, EPERM},
    {"virtual machines", AF_VSOCK, SOCK_STREAM, 0, EPERM},
    {"CAN", AF_CAN, SOCK_RAW, 1, EPERM},
    {"Bluetooth", AF_BLUETOOTH, SOCK_RAW, 1, EPERM},
};

static void
sockets_are_those_of_a_server(void **state)
{
    (void)state;
    need_sandbox();
    for (size_t i = 0; i < COUNT(sockets); i++) {
        print_message("%s\n", sockets[i].label);
        family = sockets[i].family;
        type = sockets[i].type;
        protocol = sockets[i].protocol;
        int outside = WEXITSTATUS(try(make_socket, false));

        assert_int_equal(WEXITSTATUS(try(make_socket, true)),
                         sockets[i].want ? sockets[i].want : outside);
        if (geteuid() == 0 && sockets[i].want != 0)
            assert_int_not_equal(outside, EPERM);
    }
}

/*
 * Kernels that have less.
 */

static int missing; /* a call that they do not know */

/* What is in force: 1 files, 2 calls. 0: and it was no error. */
static int
enter_half(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    struct error err = ERROR_INIT;
    struct sandbox sandbox;

    if (filter == NULL ||
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), missing, 0) != 0 ||
        seccomp_load(filter) != 0)
        return NOT_HERE;
    if (enter(&sandbox, &err) == ERR_OK)
        return 0;
    fprintf(stderr, "%s\n", error_text(&err));
    return err.code == ERR_UNAVAILABLE ? 1 * sandbox.files + 2 * sandbox.calls
                                       : NOT_HERE;
}

static void
half_a_sandbox_is_told(void **state)
{
    (void)state;
    need_sandbox();
    missing = SCMP_SYS(landlock_create_ruleset);
    assert_int_equal(WEXITSTATUS(try(enter_half, false)), 2);
    missing = SCMP_SYS(landlock_restrict_self);
    assert_int_equal(WEXITSTATUS(try(enter_half, false)), 2);
    missing = SCMP_SYS(seccomp);
    assert_int_equal(WEXITSTATUS(try(enter_half, false)), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_its_own_files_are_there),
        cmocka_unit_test(calls_that_no_server_makes_are_refused),
        cmocka_unit_test(a_program_is_the_end),
        cmocka_unit_test(threads_are_made_inside_and_processes_are_not),
        cmocka_unit_test(sockets_are_those_of_a_server),
        cmocka_unit_test(half_a_sandbox_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
