// What a script found out, as one line of JSON: a result, or the library's own error.
export const report = async (work) => {
  try {
    console.log(JSON.stringify(await work()));
  } catch (error) {
    const { status, code, type } = error;
    const told = error.isBoom
      ? { status: error.output.statusCode, payload: error.data.payload }
      : { status, code, type };
    console.log(JSON.stringify({ error: { name: error.constructor.name, message: error.message, ...told } }));
  }
};
