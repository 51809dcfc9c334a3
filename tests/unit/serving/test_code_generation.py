"""The generation of text: forms of the input, parameters, batches, streaming and limits."""

import math
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from tests.support.code_models import LESSON, TEXT, Saved
from tests.support.tiny_language_model import CONTEXT
from workloads.serving.code_generation import PARAMETERS, Generation, prompts_of

PROMPT, REST = TEXT[:15], TEXT[15:]
PROMPTS = [PROMPT, "x", "naïve ≠ ünïcode ", "y" * 40]


@pytest.mark.parametrize(
    "model_input",
    [
        PROMPT,
        [PROMPT],
        (PROMPT,),
        {"prompt": PROMPT},
        {"prompt": [PROMPT]},
        {"prompt": np.array([PROMPT])},
        [{"prompt": PROMPT}],
        np.array([PROMPT]),
        pd.Series([PROMPT]),
        pd.DataFrame({"prompt": [PROMPT]}),
        pd.DataFrame({"source": [PROMPT]}),
        pd.DataFrame({"id": ["7"], "prompt": [PROMPT]}, index=[5]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_form_of_the_input_gives_the_same_table(trained: Saved, model_input: Any) -> None:
    table = trained.model.predict(model_input)
    assert table.to_dict("records") == [
        {"prompt_index": 0, "sequence": 0, "text": REST, "finish_reason": "stop", "tokens": len(REST) + 1}
    ]


@pytest.mark.parametrize(
    ("model_input", "message"),
    [
        (7, "the input must be a string, a list of strings, a dict with the key 'prompt' or a DataFrame, got int"),
        (["a", None], "prompt 1 must be a string, got None"),
        (["a", math.nan], "prompt 1 must be a string, got nan"),
        ({"text": "a"}, "a dict must have the key 'prompt' only, got 'text'"),
        ({"prompt": "a", "top_k": 3}, "got 'prompt', 'top_k'; generation parameters belong in params"),
        ({}, "a dict must have the key 'prompt' only, got none"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "one column 'prompt' or a single column, got the columns 'a', 'b'"),
        (pd.DataFrame([["x", "y"]], columns=["prompt", "prompt"]), "must have one column 'prompt'"),
        ("", "prompt 0 is empty: it must have at least one token"),
        (["a", "y" * CONTEXT], f"prompt 1 has {CONTEXT} tokens"),
    ],
)
def test_other_input_is_refused_with_what_is_allowed(trained: Saved, model_input: Any, message: str) -> None:
    with pytest.raises(MlflowException) as refusal:
        trained.model.predict(model_input)
    assert message in refusal.value.message
    assert refusal.value.get_http_status_code() == 400


def test_no_prompts_give_no_rows(trained: Saved) -> None:
    assert trained.model.predict([]).empty


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens must be a whole number from 1 to 32768, got 0"),
        ({"max_new_tokens": True}, "max_new_tokens must be a whole number from 1 to 32768, got True"),
        ({"max_new_tokens": 1.5}, "max_new_tokens must be a whole number from 1 to 32768, got 1.5"),
        ({"temperature": 0.0}, "temperature must be a number from 0.01 to 5.0, got 0.0"),
        ({"temperature": math.nan}, "temperature must be a number from 0.01 to 5.0, got nan"),
        ({"top_p": 1.1}, "top_p must be a number from 0.01 to 1.0, got 1.1"),
        ({"top_k": -1}, "top_k must be a whole number from 0 to 1000, got -1"),
        ({"repetition_penalty": 9.0}, "repetition_penalty must be a number from 0.5 to 5.0, got 9.0"),
        ({"do_sample": "yes"}, "do_sample must be true or false, got 'yes'"),
        ({"stop": [""]}, "stop must be a list of 0 to 16 strings that aren't empty, got ['']"),
        ({"stop": "x"}, "stop must be a list of 0 to 16 strings that aren't empty, got 'x'"),
        ({"seed": -1}, "seed must be a whole number from 0 to 9223372036854775807, got -1"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1 to 256, got 0"),
        ({"num_return_sequences": 33}, "num_return_sequences must be a whole number from 1 to 32, got 33"),
        ({"num_return_sequences": 2}, "num_return_sequences must be 1 without do_sample"),
        ({"max_tokens": 5}, "'max_tokens' is not a generation parameter: allowed are max_new_tokens, do_sample,"),
    ],
)
def test_a_parameter_out_of_bounds_is_named_with_what_is_allowed(params: dict[str, Any], message: str) -> None:
    with pytest.raises(MlflowException) as refusal:
        Generation.of(params)
    assert message in refusal.value.message


def test_bounds_hold_for_users_of_the_loaded_model(trained: Saved) -> None:
    for params in ({"top_k": -1}, {"temperature": 0.0}, {"max_new_tokens": CONTEXT}, {"max_new_tokens": "5"}):
        with pytest.raises(MlflowException):
            trained.texts(PROMPT, **params)


def test_the_bounds_themselves_are_allowed() -> None:
    for name, parameter in PARAMETERS.items():
        if parameter.kind in ("long", "double"):
            for value in (parameter.least, parameter.most):
                assert getattr(Generation.of({name: value, "do_sample": True}), name) == value


def test_numpy_values_are_numbers() -> None:
    assert Generation.of({"top_k": np.int64(3), "top_p": np.float64(0.5), "stop": np.array(["a"])}).stop == ("a",)


def test_a_prompt_with_more_new_tokens_than_the_context_is_refused_with_the_numbers(trained: Saved) -> None:
    with pytest.raises(
        MlflowException, match=rf"prompt 0 has 1 tokens, and max_new_tokens is 64: .* at most {CONTEXT}"
    ):
        trained.texts("x", max_new_tokens=CONTEXT)
    assert trained.model.predict("x", {"max_new_tokens": CONTEXT - 1})["tokens"][0] < CONTEXT


@pytest.mark.parametrize("model", ["trained", "random_llama", "adapter"])
@pytest.mark.parametrize("params", [{}, {"repetition_penalty": 1.5}, {"do_sample": True, "seed": 3, "top_p": 0.9}])
def test_a_prompt_has_the_same_result_alone_in_a_batch_and_streamed(
    request: pytest.FixtureRequest, model: str, params: dict[str, Any]
) -> None:
    saved: Saved = request.getfixturevalue(model)
    params = params | {"max_new_tokens": 12}
    batch = saved.texts(PROMPTS, **params)
    assert saved.texts(PROMPTS, **params, batch_size=2) == batch
    for prompt, text in zip(PROMPTS, batch, strict=True):
        assert saved.texts(prompt, **params) == [text]
        assert "".join(saved.model.predict_stream(prompt, params)) == text


def test_without_a_limit_the_context_is_the_limit(random_llama: Saved) -> None:
    table = random_llama.model.predict(["x", "y" * (CONTEXT - 3)])
    assert table["tokens"].tolist()[1] == 3
    assert random_llama.texts("x") == [table["text"][0]]


def test_a_seed_gives_the_same_sequences_and_another_seed_others(random_llama: Saved) -> None:
    params = {"do_sample": True, "num_return_sequences": 3, "max_new_tokens": 8}
    first = random_llama.texts(["x", "y"], **params, seed=1)
    assert len(set(first[:3])) == 3
    assert random_llama.texts(["x", "y"], **params, seed=1) == first
    assert random_llama.texts("y", **params, seed=1) == first[3:]
    assert random_llama.texts(["x", "y"], **params, seed=2) != first
    assert random_llama.texts("x", **params) != random_llama.texts("x", **params)


def test_sampling_follows_the_probabilities(trained: Saved) -> None:
    # The trained model is nearly certain of the next byte.
    texts = trained.texts(PROMPT, do_sample=True, seed=0, num_return_sequences=16, max_new_tokens=4)
    assert texts.count("    ") >= 13
    hot = trained.texts(PROMPT, do_sample=True, seed=0, num_return_sequences=16, max_new_tokens=4, temperature=5.0)
    assert len(set(hot)) > 8


@pytest.mark.parametrize(("stop", "text"), [("return", "    "), (" a +", "    return"), ("\n", "    return a + b")])
def test_a_stop_sequence_ends_the_text_before_it(trained: Saved, stop: str, text: str) -> None:
    row = trained.model.predict(PROMPT, {"stop": [stop, "zzz"]}).iloc[0]
    assert (row["text"], row["finish_reason"]) == (text, "stop")
    # A stop sequence in the prompt doesn't count, nor does one that starts there.
    assert trained.texts(PROMPT, stop=["def", ":\n    "]) == [REST]
    assert "".join(trained.model.predict_stream(PROMPT, {"stop": [stop]})) == text


def test_the_limit_is_the_reason_if_the_text_has_not_ended(trained: Saved) -> None:
    row = trained.model.predict(PROMPT, {"max_new_tokens": 5}).iloc[0]
    assert (row["text"], row["finish_reason"], row["tokens"]) == (REST[:5], "length", 5)


def test_text_is_streamed_while_it_is_generated(trained: Saved) -> None:
    stream = trained.model.predict_stream(PROMPT)
    pieces = [next(stream)]
    assert pieces == [" "]
    assert any(thread.name == "generation" for thread in threading.enumerate())
    stream.close()
    assert not any(thread.name == "generation" for thread in threading.enumerate())


def test_a_stream_is_of_one_prompt(trained: Saved) -> None:
    for model_input, params in ((["a", "b"], {}), ("a", {"do_sample": True, "num_return_sequences": 2})):
        with pytest.raises(MlflowException, match=r"single input|must get one prompt"):
            list(trained.model.predict_stream(model_input, params))
    with pytest.raises(MlflowException, match="prompt 0 is empty"):
        list(trained.model.predict_stream(""))


def test_the_adapter_changes_what_its_base_generates(trained: Saved, adapter: Saved) -> None:
    assert trained.texts(PROMPT) == [REST]
    assert adapter.texts(PROMPT) == [LESSON[15:]]


def test_prompts_keep_their_order() -> None:
    assert prompts_of({"prompt": ["b", "a"]}) == ["b", "a"]
