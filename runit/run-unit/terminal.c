/* The terminal of a command: TTYReset= and TTYVHangup=. */
#include "terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Set the usual modes, as stty(1)'s `sane`. */
static void reset(int fd) {
    struct termios modes;
    ioctl(fd, TIOCNXCL);
    if (tcgetattr(fd, &modes) != 0)
        return;
    modes.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | ISTRIP | INLCR | IGNCR);
    modes.c_iflag |= ICRNL | IMAXBEL | IUTF8;
    modes.c_oflag |= ONLCR | OPOST;
    modes.c_cflag |= CREAD;
    modes.c_lflag = ISIG | ICANON | IEXTEN | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE;
    static const unsigned char keys[][2] = {{VINTR, 03}, {VQUIT, 034},  {VERASE, 0177}, {VKILL, 025},
                                            {VEOF, 04},  {VSTART, 021}, {VSTOP, 023},   {VSUSP, 032},
                                            {VMIN, 1},   {VTIME, 0}};
    for (size_t at = 0; at < sizeof keys / sizeof *keys; at++)
        modes.c_cc[keys[at][0]] = keys[at][1];
    tcsetattr(fd, TCSANOW, &modes);
    tcflush(fd, TCIOFLUSH);
}

/* Hang up the terminal and reset it, as the plan says, before a command opens it. */
void prepare_terminal(const struct plan *plan) {
    const char *path = plan_text(plan, "tty", "/dev/console");
    if (!plan_yes(plan, "ttyvhangup") && !plan_yes(plan, "ttyreset"))
        return;
    int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && plan_yes(plan, "ttyvhangup")) {
        signal(SIGHUP, SIG_IGN);
        ioctl(fd, 0x5437 /* TIOCVHANGUP */);
        close(fd);
        signal(SIGHUP, SIG_DFL);
        fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    }
    if (fd >= 0 && plan_yes(plan, "ttyreset"))
        reset(fd);
    if (fd >= 0)
        close(fd);
}
