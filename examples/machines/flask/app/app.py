"""A page that greets its visitor."""

from flask import Flask, render_template, request

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    """Greet the visitor whose name the query has."""
    return render_template("hello.html", name=request.args.get("name", "world"))
