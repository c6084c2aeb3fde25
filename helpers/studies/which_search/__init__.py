"""Which search should one trust: all of them, judged on planted models, exact scores, circuits and costs."""
