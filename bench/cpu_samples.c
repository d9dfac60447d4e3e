/* Samples of the Python stacks on which a process spends its CPU time, the kernel's share included.
 *
 * ITIMER_PROF counts CPU time of the process, and the kernel sends its signal to the thread that
 * was running: so a sample is of a thread that worked, never of one that waited. (A sampler from
 * outside sees threads that have just been woken, and takes their waiting for work.)
 * SIGRTMIN+5 begins; the next one ends, and "outermost;...;innermost 1" lines are written.
 *
 * For CPython 3.11 and 3.12, whose frames are read without the GIL: each thread reads its own. It
 * may be interrupted while it makes a frame, with nonsense in the pointers; so the kernel is asked
 * to read what they point to, which refuses where a plain read would end the process. And nothing
 * is written down in a signal handler, where malloc's lock may be taken by whom it interrupted.
 */
#define Py_BUILD_CORE
#define _GNU_SOURCE
#include <Python.h>
#include <internal/pycore_frame.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define SAMPLES 60000
#define DEPTH 96
#define MICROSECONDS 2000
#define NAME 300

typedef struct {
    int depth; /* -1: a thread that is none of Python's */
    PyCodeObject *codes[DEPTH];
} Sample;

static Sample *samples;
static volatile int taken, is_on;
static char directory[512];
static sem_t asked;
static pid_t self;

static int peek(const void *from, void *into, size_t size)
{
    struct iovec to = {into, size}, at = {(void *)from, size};
    return from && process_vm_readv(self, &to, 1, &at, 1, 0) == (ssize_t)size;
}

static int is_code(PyCodeObject *code)
{
    PyObject head;
    return peek(code, &head, sizeof head) && head.ob_type == &PyCode_Type;
}

static void take(int signal)
{
    (void)signal;
    int saved = errno;
    int index = is_on ? __sync_fetch_and_add(&taken, 1) : SAMPLES;
    if (index >= SAMPLES)
        return;
    Sample *sample = &samples[index];
    PyThreadState *thread = PyGILState_GetThisThreadState();
    sample->depth = thread ? 0 : -1;
    _PyInterpreterFrame frame, *next = thread && thread->cframe ? thread->cframe->current_frame : NULL;
    while (sample->depth < DEPTH && peek(next, &frame, offsetof(_PyInterpreterFrame, localsplus))) {
        if (is_code(frame.f_code))
            sample->codes[sample->depth++] = frame.f_code;
        if (frame.previous == next)
            break;
        next = frame.previous;
    }
    errno = saved;
}

static const char *text(PyObject *string)
{
    static char name[NAME];
    PyASCIIObject head;
    if (!peek(string, &head, sizeof head) || head.ob_base.ob_type != &PyUnicode_Type
        || !head.state.compact || !head.state.ascii || head.length >= NAME
        || !peek((PyASCIIObject *)string + 1, name, head.length))
        return "?";
    name[head.length] = 0;
    return name;
}

static void write_frame(FILE *file, PyCodeObject *address)
{
    PyCodeObject code;
    if (!is_code(address) || !peek(address, &code, offsetof(PyCodeObject, co_code_adaptive))) {
        fputs("? (?)", file);
        return;
    }
    fprintf(file, "%s (", text(code.co_qualname));
    fprintf(file, "%s)", text(code.co_filename));
}

static void write_down(void)
{
    char path[600], whole[600];
    snprintf(path, sizeof path, "%s/%d.part", directory, self);
    snprintf(whole, sizeof whole, "%s/%d.samples", directory, self);
    FILE *file = fopen(path, "w");
    if (!file)
        return;
    for (int i = 0; i < taken && i < SAMPLES; i++) {
        Sample *sample = &samples[i];
        if (sample->depth <= 0)
            fputs(sample->depth ? "none of Python's (native)" : "no frame (python)", file);
        for (int j = sample->depth - 1; j >= 0; j--) {
            write_frame(file, sample->codes[j]);
            if (j)
                fputc(';', file);
        }
        fputs(" 1\n", file);
    }
    fclose(file);
    rename(path, whole);
}

static void *serve(void *nothing)
{
    for (;;) {
        while (sem_wait(&asked))
            ;
        struct itimerval every = {{0, 0}, {0, 0}};
        is_on = !is_on;
        if (is_on) {
            taken = 0;
            every.it_interval.tv_usec = every.it_value.tv_usec = MICROSECONDS;
        }
        setitimer(ITIMER_PROF, &every, NULL);
        if (!is_on) {
            usleep(50000); /* who is taking one just now */
            write_down();
        }
    }
    return nothing;
}

static void ask(int signal)
{
    (void)signal;
    sem_post(&asked);
}

/* Also in a child after a fork, which has none of its parent's threads. */
void listen_for_signals(const char *into)
{
    pthread_t thread;
    snprintf(directory, sizeof directory, "%s", into);
    self = getpid();
    is_on = 0;
    if (!samples)
        samples = calloc(SAMPLES, sizeof(Sample));
    sem_init(&asked, 0, 0);
    pthread_create(&thread, NULL, serve, NULL);
    struct sigaction action = {.sa_handler = take, .sa_flags = SA_RESTART};
    sigaction(SIGPROF, &action, NULL);
    action.sa_handler = ask;
    sigaction(SIGRTMIN + 5, &action, NULL);
}
