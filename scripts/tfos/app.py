"""The Spark application that spark-submit is given: `app.py plan.json`."""

from tfos.driver import main

if __name__ == "__main__":
    main()
