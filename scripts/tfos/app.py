"""The Spark application that spark-submit is given: `app.py plan.json`."""

from tfos.start import main

if __name__ == "__main__":
    main()
