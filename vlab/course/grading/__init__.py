"""Grading work that was saved: a notebook, or a folder of them, from people who may want to fool the checker.

How it goes, for one submission:

1. A *worker* process reads the file and takes out of it the source of the blanks, by cell id, and nothing else
   (`submissions`). Blanks that use what an exercise doesn't need are refused unseen (`rules`).
2. It puts them into the pristine notebook, whose check cells get the output that the keys give for a fresh seed, and
   lets nbval run it (`runs`).
3. The reader's code runs in a kernel that is shut in (`sandbox`, `kernel`): it has the questions and no answers, so
   all it can do is reply. The replies leave the kernel as the check cells' output, and are judged in the worker.

What is guaranteed depends on the system, and `vlab check` says what it had. On Linux with user namespaces: no
network, no process left behind, memory and time limited, the file system read-only, and the answers, the
submissions and (where Python doesn't lie in it) the home folder not visible. Elsewhere the same is refused inside
Python alone, by an audit hook: good against mistakes and most tricks, and no real wall.
"""
