/* What keeps the namespaces of a pod: it waits, reaps whoever it inherits, and ends when it is told to. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_end(int number) {
    (void)number;
    _exit(0);
}

static void on_child(int number) {
    (void)number;
    while (waitpid(-1, 0, WNOHANG) > 0) {}
}

int main(void) {
    signal(SIGINT, on_end);
    signal(SIGTERM, on_end);
    signal(SIGCHLD, on_child);
    for (;;) pause();
}
